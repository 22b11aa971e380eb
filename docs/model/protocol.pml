/*
 * protocol.pml: the collection protocol of docs/PROTOCOL.md, for the Spin model checker.
 *
 * All configurations and mutations, as a table:   .ci/model            (last result: RESULTS.md)
 * The shortest counterexample, state by state:    .ci/model --trace "-DOBJS=2 -DONLY_LOST -DROUNDS=1"
 * One configuration by hand (flags as in the script, for example -DOBJS=2 -DWEAK -DM_SWEEP_EARLY):
 *
 *     apt-get install -y spin
 *     spin -a [flags] protocol.pml && gcc -O2 -DSAFETY -DNOFAIR -DMEMLIM=10000 -o pan pan.c && ./pan -m2000000 -w26
 *
 * "errors: 0" without "max search depth too small" means: every reachable state was visited. The plain
 * configuration has 11 million states: 90 s, 1.5 GB.
 *
 * Names. The name in the model, the name in the code, the file it is in (under gc/src unless it begins with "alloc/").
 * `.ci/model --names` fails when a file or a name is gone, so that neither side can be renamed alone.
 *
 *   | model                     | code                     | file                 |
 *   | ------------------------- | ------------------------ | -------------------- |
 *   | OFF, BOTH, DELETION       | enum Mode                | barrier/mod.rs       |
 *   | IDLE ... SWEEP            | enum Phase               | cycle/phase.rs       |
 *   | phase                     | fn publish               | cycle/phase.rs       |
 *   | want                      | fn set_request           | cycle/phase.rs       |
 *   | live                      | fn live                  | cycle/phase.rs       |
 *   | flip()                    | fn flip                  | cycle/phase.rs       |
 *   | FREE, WHITE, BLACK, col   | struct Colour            | alloc/src/colour.rs  |
 *   | IFWHITE(x), then BLACK    | fn shade                 | barrier/shade.rs     |
 *   | Mut                       | struct Mutator           | mutator/mod.rs       |
 *   | mode                      | fn take_mode             | mutator/answer.rs    |
 *   | buf                       | struct Segment           | barrier/buffer.rs    |
 *   | worked                    | fn note_work             | mutator/mod.rs       |
 *   | answered                  | fn answered              | mutator/word.rs      |
 *   | SAFEPOINT && ASKED        | fn answer_if_asked       | mutator/answer.rs    |
 *   | answer()                  | fn answer                | mutator/answer.rs    |
 *   | answer() of a parked one  | fn answer_for            | mutator/answer.rs    |
 *   | run_                      | fn recolour              | mutator/answer.rs    |
 *   | swap()                    | fn swap_marking          | handle/slot.rs       |
 *   | root, ROOTS               | struct EntryTable        | roots/table.rs       |
 *   | given                     | fn free_listed           | roots/table.rs       |
 *   | weak, WEAKS               | struct Weak              | roots/weak.rs        |
 *   | target, white_is_dead()   | fn judge                 | roots/weak.rs        |
 *   | shade_on_queue()          | fn judge_in_terminate    | roots/weak.rs        |
 *   | cap                       | fn set_captured          | handle/lock_state.rs |
 *   | LOCK(x)                   | fn start_writing         | handle/lock.rs       |
 *   | HELP(x), pop              | fn assist                | mutator/assist.rs    |
 *   | grey                      | struct GreyQueue         | mark/queue.rs        |
 *   | SCAN(x), v                | fn scan                  | mark/scan.rs         |
 *   | scan < ROOTS              | struct RootCursor        | mark/roots.rs        |
 *   | dirty                     | dirty                    | heap/shared.rs       |
 *   | Late                      | fn marker_thread         | cycle/background.rs  |
 *   | busy_                     | fn become_busy           | mark/queue.rs        |
 *   | look at tracing           | fn run                   | mark/worker.rs       |
 *   | stale = 0                 | fn tune                  | mark/worker.rs       |
 *   | TAKE(x), hands            | fn find_work             | mark/worker.rs       |
 *   | tracing                   | fn set_tracing           | cycle/phase.rs       |
 *   | ask_round()               | fn ask_round             | cycle/collector.rs   |
 *   | clean                     | clean                    | cycle/collector.rs   |
 *   | 5 Decide                  | fn decide                | cycle/collector.rs   |
 *   | 6 Clear                   | fn step                  | sweep/clear.rs       |
 *   | fin                       | fn take_finalizable      | sweep/registry.rs    |
 *   | marked through            | fn mark_through          | sweep/clear.rs       |
 *   | delivered                 | fn deliver               | sweep/registry.rs    |
 *   | phase = SWEEP             | fn publish_sweep         | cycle/collector.rs   |
 *   | live = BLACK              | fn black_lives           | cycle/phase.rs       |
 *   | sweep()                   | fn open_sweep            | alloc/src/mheap/sweep.rs |
 *   | T3                        | fn off                   | cycle/collector.rs   |
 *
 * What is modelled
 *   MUTS mutators; one collector that is also the marker (with LATE there is another one); OBJS objects of one field each; ROOTS root
 *   slots. The heap starts empty and cycles follow one another without bound. Every `d_step` is one
 *   atomic action, and actions interleave freely:
 *     - a slot write is swap | shade(old) | shade(new): three actions;
 *     - scanning is load | shade: two actions, so is shading a root slot;
 *     - shade's test-and-set is one action, but an object blackened since it was loaded may be pushed
 *       a second time, which is all that a separate test and set could add;
 *     - allocation with its first, unbarriered store is one action: nobody else sees the object yet;
 *     - answering a handshake (drop raw pointers, hand over the buffer, change mode) is one action.
 *   Memory is sequentially consistent; orderings are the business of loom.
 *
 * How the state space is kept small without losing a behaviour
 *   - A mutator holds every object it could have loaded since its window opened: others cannot see
 *     loads, and holding more never disables an action. What only it can reach it may forget. A
 *     window ends with the answer to a handshake and the next one opens at once.
 *   - An object out of everyone's reach (buffers included) is Free at once. OBJS therefore counts
 *     live objects, and what must not be swept is found by assertion, not by running into it.
 *   - The flip renames colours (black becomes white) instead of exchanging their meaning. That is the
 *     same unless a thread carries a colour over the flip; the Dropper can, and keeps the parity, and so can Late (stale).
 *   - Objects, mutators and root slots are interchangeable; tidy() renumbers them into standard order.
 *
 * Extras, one at a time: WEAK weak slots and upgrade; DROP roots dropped by a thread that is no
 * mutator; RUNS reserved allocation runs and parking; ASSIST mutators that scan and buffers that
 * overflow; CELL guarded cells in place of slots; LATE a marker thread that is asked to help and may sleep before it
 * does; FINAL a finalizable object, which with WEAK gives the order inside phase Clear. Mutations, each taking a rule away: M_*.
 */

#ifndef OBJS
#define OBJS 3
#endif
#ifndef ROOTS
#define ROOTS 2
#endif
#ifndef MUTS
#define MUTS 2
#endif
#ifndef ROUNDS              /* consecutive clean rounds that end marking */
#define ROUNDS 2
#endif
#ifndef WEAKS
#define WEAKS 1
#endif

/* colours, mutator modes, phases */
#define FREE  0
#define WHITE 1
#define BLACK 2

#define OFF      0
#define BOTH     1
#define DELETION 2

#define IDLE      0
#define PREPARE   1
#define MARK      2
#define TERMINATE 3
#define CLEAR     4
#define SWEEP     5

/* A mutator: its mode, whether it answered this round, sets of objects, references in its hands. */
#define reg    set[0]       /* raw pointers of the window */
#define buf    set[1]       /* grey buffer */
#define old    ref[0]       /* taken out of a slot, still to be shaded */
#define new    ref[1]       /* put into a slot, still to be shaded */
#define target ref[2]       /* WEAK: loaded from a weak slot, not judged yet */
#define cell   ref[2]       /* CELL: locked by it */
#define run_   ref[2]       /* RUNS: what is left of its allocation run */
#define pop    ref[2]       /* ASSIST: popped, not scanned yet */
#define at     ref[2]       /* M_LOAD_STORE*: object to store to, value to store, value seen there */
#define val    ref[3]
#define seen   ref[4]
#if defined(M_LOAD_STORE) || defined(M_LOAD_STORE_BOTH) || defined(M_LOAD_STORE_DELETION)
#define LOAD_STORE
#define NREF 5
#elif defined(WEAK) || defined(CELL) || defined(RUNS) || defined(ASSIST)
#define NREF 3
#else
#define NREF 2
#endif
typedef Mut { byte mode; byte answered; byte worked; byte busy; byte set[2]; byte ref[NREF] };

byte col[OBJS+1];           /* object 0 is the null reference */
byte fld[OBJS+1];
byte cap[OBJS+1];           /* CELL: captured in this cycle */
byte root[ROOTS];
byte weak[WEAKS];
Mut  m[MUTS];

byte phase;
byte want;                  /* the mode the running handshake asks for */
byte live = BLACK;          /* colour of what mode Off allocates */
byte grey;                  /* set: the marker's stack and the global queue */
byte v;                     /* loaded by the marker, still to be shaded */
byte scan;                  /* slots done by a walk over the root table or the weak slots */
byte clean;                 /* clean rounds in a row */
bool dirty;                 /* this round is not clean */
bool given;                 /* DROP: the last root was dropped, its entry is listed (or is in the Dropper's hands) */
bool tracing;               /* LATE: markers may take work */
bool busy_;                 /* LATE: the other marker counts as busy */
byte hands;                 /* LATE: set: grey objects it has taken */
byte hv;                    /* LATE: loaded by it, still to be shaded */
bool stale;                 /* LATE: colours have flipped since it took them over */
byte fin;                   /* FINAL: registered for a finalizer queue */
byte taken;                 /* FINAL: found dead and not delivered yet */
bool parity;                /* DROP: of the number of flips */
byte hand;                  /* DROP: what the Dropper still has to shade */
byte shared;                /* set: reachable from root slots (kept by tidy) */
byte i;                     /* loop variable, 0 between actions */
bool lost;

#define B(x)        (1 << (x))
#define me          m[id]
#define IFWHITE(x)  (col[x] == WHITE -> (x) : 0)
#define TIDY        c_code { tidy(); }
#define R           (ROOTS-1)

/* ------------------------------------------------------------ the rules that mutations take away */

#ifdef M_NO_OLD             /* mode Both does not shade what it removes */
#define SHADE_OLD (me.mode == DELETION)
#elif defined(M_NO_DELETION)
#define SHADE_OLD (me.mode == BOTH)
#else
#define SHADE_OLD (me.mode != OFF)
#endif

#ifdef M_NO_BOTH            /* (a) from handshake 1 on deletion barrier only */
#define SHADE_NEW 0
#else
#define SHADE_NEW (me.mode == BOTH)
#endif

#ifdef ROOT_SHADED          /* root creation shades in mode Both; needed only if tracing starts at T1 */
#define SHADE_NEW_ROOT SHADE_NEW
#else
#define SHADE_NEW_ROOT 0
#endif

#if defined(M_LOAD_STORE)   /* (b) old value loaded first, new value stored later */
#define SPLIT (me.mode != OFF)
#elif defined(M_LOAD_STORE_BOTH)
#define SPLIT (me.mode == BOTH)
#elif defined(M_LOAD_STORE_DELETION)
#define SPLIT (me.mode == DELETION)
#else
#define SPLIT 0
#endif
#ifdef FIELDS_ONLY          /* ... but root entries are swapped */
#define SPLIT_ROOT 0
#else
#define SPLIT_ROOT SPLIT
#endif

#if defined(M_NEW_WHITE)    /* (d) */
#define NEWCOL (me.mode == OFF -> live : WHITE)
#elif defined(M_NEW_BLACK)
#define NEWCOL (me.mode == OFF -> live : BLACK)
#else
#define NEWCOL (me.mode == OFF -> live : (me.mode == BOTH -> WHITE : BLACK))
#endif

#ifdef M_TRACE_T1           /* (c) */
#define T2_BEFORE_TRACING 1
#else
#define T2_BEFORE_TRACING ALL(IS_DELETION)
#endif

#ifdef M_NO_T3              /* the next cycle does not wait for the answers to handshake 3 */
#define T3 1
#else
#define T3 ALL(IS_OFF)
#endif

#ifdef M_SWEEP_EARLY        /* neither does the sweep */
#define T3_BEFORE_SWEEP 1
#else
#define T3_BEFORE_SWEEP T3
#endif

#if defined(M_UPGRADE_PLAIN)        /* (f) */
#define UPGRADE_SHADES 0
#elif defined(M_UPGRADE_PLAIN_BOTH)
#define UPGRADE_SHADES (me.mode == DELETION)
#else
#define UPGRADE_SHADES 1
#endif

#ifdef M_UPGRADE_ONCE       /* a black target counts though the slot may have been cleared meanwhile */
#define STILL_THERE 1
#else
#define STILL_THERE (weak[0] == me.target)
#endif

#ifdef LATE
#define GREY (grey || busy_)
#else
#define GREY grey
#endif

#ifdef M_CELL_NO_LOCK
#define CELL_ON_LOCK 0
#else
#define CELL_ON_LOCK (me.mode == BOTH)
#endif
#ifdef M_CELL_NO_UNLOCK
#define CELL_ON_UNLOCK 0
#else
#define CELL_ON_UNLOCK (me.mode == BOTH)
#endif
#ifdef M_CELL_NO_CAPTURE
#define CELL_CAPTURE 0
#else
#define CELL_CAPTURE (me.mode == DELETION)
#endif
#ifdef M_CELL_BORN
#define BORN_CAPTURED (me.mode != OFF)
#elif defined(M_CELL_UNBORN)
#define BORN_CAPTURED 0
#elif defined(CELL)
#define BORN_CAPTURED (me.mode == DELETION)
#else
#define BORN_CAPTURED 0
#endif

/* ------------------------------------------------------------ mutator */

/* between two actions of its program: nothing half done */
#if defined(WEAK)
#define READY (!me.busy && !me.old && !me.new && !me.target)
#elif defined(ASSIST)
#define READY (!me.busy && !me.old && !me.new && !me.pop)
#else
#define READY (!me.busy && !me.old && !me.new)
#endif
#ifdef CELL
#define SAFEPOINT (READY && !me.cell)
#else
#define SAFEPOINT READY
#endif

#define HAS(x) ((x) == 0 || (me.reg & B(x)))
#define ASKED  (me.mode != want || (phase == TERMINATE && !me.answered))

inline answer() {
    me.reg = 0;
    me.mode = want;
    if :: phase == TERMINATE && (me.buf || me.worked) -> dirty = 1 :: else fi;
    me.worked = 0;
    grey = grey | me.buf;
    me.buf = 0;
    me.answered = (phase == TERMINATE)
}

#define ROOM (col[1] == FREE || col[2] == FREE || col[OBJS-1] == FREE || col[OBJS] == FREE)
inline free_slot() { i = 1; do :: col[i] == FREE -> break :: else -> i++ od }

inline swap(slot, value, shade_new) {
    if :: SHADE_OLD -> me.old = IFWHITE(slot) :: else fi;
    if :: shade_new -> me.new = IFWHITE(value) :: else fi;
    slot = value
}

/* the parts of Mutator that are repeated for each object x, object or null y, root slot r */
#define FORGET(x)      :: d_step { READY && (me.reg & B(x)) && !(shared & B(x)) -> me.reg = me.reg & ~B(x); TIDY }
#define ALLOC(y)       :: d_step { READY && HAS(y) && ROOM -> free_slot(); \
                           col[i] = NEWCOL; fld[i] = y; cap[i] = BORN_CAPTURED; me.reg = me.reg | B(i); TIDY }
#define WRITE(x,y)     :: d_step { READY && !SPLIT && HAS(x) && HAS(y) && fld[x] != y -> swap(fld[x], y, SHADE_NEW); TIDY }
#define WRITEROOT(r,y) :: d_step { READY && !SPLIT_ROOT && HAS(y) && ROOT_SET(r,y) -> ROOT_USED(r) swap(root[r], y, SHADE_NEW_ROOT); TIDY }

#if !defined(DROP)
#define ROOT_SET(r,y) (root[r] != y)
#define ROOT_USED(r)
#elif defined(REUSE)        /* another way: a listed entry is used again by a slot write with its barrier */
#define ROOT_SET(r,y) (root[r] != y || (r == R && given))
#define ROOT_USED(r)  given = (r == R -> 0 : given);
#else                       /* not before it has been freed */
#define ROOT_SET(r,y) (root[r] != y && (r != R || !given))
#define ROOT_USED(r)
#endif

#ifdef RUNS
#undef ALLOC
#define ALLOC(y) :: d_step { READY && HAS(y) && me.run_ -> fld[me.run_] = y; me.reg = me.reg | B(me.run_); me.run_ = 0; TIDY }
#endif

#ifdef CELL
#define LOCKED(x) (m[0].cell == x || m[MUTS-1].cell == x)
#define LOCK(x)   :: d_step { SAFEPOINT && HAS(x) && !LOCKED(x) -> me.cell = x; \
                      if :: CELL_ON_LOCK -> me.old = IFWHITE(fld[x]) \
                         :: CELL_CAPTURE && !cap[x] -> me.old = IFWHITE(fld[x]); cap[x] = 1 \
                         :: else fi; TIDY }
#undef WRITE
#define WRITE(x,y) :: d_step { READY && me.cell == x && HAS(y) && fld[x] != y -> fld[x] = y; TIDY }
#endif

#define SPLITWRITE(x,y)     :: d_step { READY && SPLIT && HAS(x) && HAS(y) && fld[x] != y -> \
                                me.busy = 1; me.at = x; me.val = y; me.seen = fld[x]; TIDY }
#define SPLITWRITEROOT(r,y) :: d_step { READY && SPLIT_ROOT && HAS(y) && root[r] != y -> \
                                me.busy = 2 + r; me.val = y; me.seen = root[r]; TIDY }

#define HELP(x)   :: d_step { READY && me.mode == DELETION && (grey & B(x)) -> grey = grey & ~B(x); me.pop = x; WORKED TIDY } \
                  :: d_step { READY && me.mode == DELETION && (me.buf & B(x)) -> me.buf = me.buf & ~B(x); me.pop = x; WORKED TIDY }
#define REGISTER(y) :: d_step { READY && HAS(y) && !fin && !taken -> fin = y; TIDY }
#define SETWEAK(y) :: d_step { READY && HAS(y) && weak[0] != y -> weak[0] = y; TIDY }

#if OBJS == 2
#define EACH(OP)      OP(1) OP(2)
#define EACH_Y(OP, x) OP(x,0) OP(x,1) OP(x,2)
#define EACH_XY(OP)   EACH_Y(OP, 1) EACH_Y(OP, 2)
#elif OBJS == 3
#define EACH(OP)      OP(1) OP(2) OP(3)
#define EACH_Y(OP, x) OP(x,0) OP(x,1) OP(x,2) OP(x,3)
#define EACH_XY(OP)   EACH_Y(OP, 1) EACH_Y(OP, 2) EACH_Y(OP, 3)
#else
#define EACH(OP)      OP(1) OP(2) OP(3) OP(4)
#define EACH_Y(OP, x) OP(x,0) OP(x,1) OP(x,2) OP(x,3) OP(x,4)
#define EACH_XY(OP)   EACH_Y(OP, 1) EACH_Y(OP, 2) EACH_Y(OP, 3) EACH_Y(OP, 4)
#endif
#if ROOTS == 1
#define EACH_RY(OP)   EACH_Y(OP, 0)
#else
#define EACH_RY(OP)   EACH_Y(OP, 0) EACH_Y(OP, 1)
#endif

#ifdef WEAK
/* phase Prepare or Mark, or a window that may have read it so: it has not answered the round yet */
#define MARKING (phase <= MARK || (phase == TERMINATE && !me.answered))
#ifdef UPGRADE_LOCKED
#define LOAD_APART (me.mode == OFF || MARKING)
#else
#define LOAD_APART 1
#endif
inline shade_on_queue() {
    if :: col[me.target] == WHITE -> col[me.target] = BLACK; grey = grey | B(me.target) :: else fi;
    me.reg = me.reg | B(me.target); me.target = 0; me.busy = 0
}
inline white_is_dead() {
    if :: col[me.target] == BLACK && STILL_THERE -> me.reg = me.reg | B(me.target) :: else fi;
    me.target = 0; me.busy = 0
}
#endif

proctype Mutator(byte id) {
    do
    EACH(FORGET)
    ALLOC(0) EACH(ALLOC)
    EACH_XY(WRITE)
    EACH_RY(WRITEROOT)

    /* second and third part of a slot write: shade(old), shade(new) */
    :: d_step { me.old && !me.busy && col[me.old] != WHITE -> me.old = 0; TIDY }
    :: d_step { !me.old && me.new && col[me.new] != WHITE -> me.new = 0; TIDY }
    :: d_step { !me.old && me.new -> col[me.new] = BLACK; me.buf = me.buf | B(me.new); me.new = 0; TIDY }
#if !defined(TERMINATE_TO_QUEUE) && !defined(M_BLACK_FIRST)
    :: d_step { me.old -> col[me.old] = BLACK; me.buf = me.buf | B(me.old); me.old = 0; TIDY }
#else   /* the other repair of step 4: in phase Terminate onto the global queue, and only then black */
    :: d_step { me.old && !me.busy && !(phase == TERMINATE && me.answered) -> col[me.old] = BLACK; me.buf = me.buf | B(me.old); me.old = 0; TIDY }
#ifdef M_BLACK_FIRST
    :: d_step { me.old && !me.busy && phase == TERMINATE -> col[me.old] = BLACK; me.busy = 1; TIDY }
    :: d_step { me.old && me.busy -> grey = grey | B(me.old); me.busy = 0; me.old = 0; TIDY }
#else
    :: d_step { me.old && !me.busy && phase == TERMINATE -> grey = grey | B(me.old); me.busy = 1; TIDY }
    :: d_step { me.old && me.busy -> col[me.old] = BLACK; me.busy = 0; me.old = 0; TIDY }
#endif
#endif

    /* safepoint at which a request is pending */
    :: d_step { SAFEPOINT && ASKED -> answer();
#if defined(RUNS) && !defined(M_NO_RECOLOUR)
                if :: me.mode == DELETION && me.run_ -> col[me.run_] = BLACK :: else fi;
#endif
                TIDY }

#ifdef LOAD_STORE
    EACH_XY(SPLITWRITE)
    EACH_RY(SPLITWRITEROOT)
    :: d_step { me.busy -> me.old = IFWHITE(me.seen);
                if :: SHADE_NEW -> me.new = IFWHITE(me.val) :: else fi;
                if :: me.busy == 1 -> fld[me.at] = me.val :: else -> root[me.busy-2] = me.val fi;
                me.busy = 0; me.at = 0; me.val = 0; me.seen = 0; TIDY }
#endif

#ifdef DROP     /* a Root leaves for another thread, which drops it: no barrier, the entry is listed */
    :: d_step { READY && !given && root[R] -> given = 1; TIDY }
#endif

#ifdef RUNS     /* take a run: colour it at once */
    :: d_step { READY && !me.run_ && ROOM -> free_slot(); col[i] = NEWCOL; me.run_ = i; TIDY }
#ifdef M_PARK_LATE  /* parked: the collector answers, the run is left to be recoloured on unpark */
    :: d_step { (READY || me.busy) && ASKED -> answer(); me.busy = 1; TIDY }
    :: d_step { me.busy -> me.busy = 0; if :: me.run_ -> col[me.run_] = NEWCOL :: else fi; TIDY }
#endif
#endif

#ifdef ASSIST   /* pop from the queue or from one's own buffer | scan; full buffers go to the queue */
#ifdef M_ASSIST_SILENT
#define WORKED
#else
#define WORKED me.worked = 1;
#endif
    EACH(HELP)
    :: d_step { me.pop -> me.old = IFWHITE(fld[me.pop]); me.pop = 0; TIDY }
    :: d_step { me.buf -> grey = grey | me.buf; me.buf = 0;
#ifndef M_FLUSH_UNCOUNTED
                if :: phase == TERMINATE -> dirty = 1 :: else fi;
#endif
                TIDY }
#endif

#ifdef CELL     /* lock | shade | plain stores | shade | unlock */
    EACH(LOCK)
    :: d_step { READY && me.cell && CELL_ON_UNLOCK -> me.new = IFWHITE(fld[me.cell]); me.busy = 1; TIDY }
    :: d_step { READY && me.cell && !CELL_ON_UNLOCK -> me.cell = 0; TIDY }
    :: d_step { me.busy && !me.new -> me.busy = 0; me.cell = 0; TIDY }
#endif

#ifdef WEAK     /* set a weak slot; upgrade: load the target | judge it by mode and phase */
    SETWEAK(0) EACH(SETWEAK)
#ifdef FINAL
    EACH(REGISTER)
#endif
    :: d_step { READY && weak[0] && LOAD_APART -> me.target = weak[0]; TIDY }
#if WEAKS > 1   /* a weak slot copied without upgrading it */
    :: d_step { READY && weak[1] -> me.target = weak[1]; TIDY }
    :: d_step { me.target && !me.busy -> weak[0] = me.target; me.target = 0; TIDY }
    :: d_step { me.target && !me.busy -> weak[1] = me.target; me.target = 0; TIDY }
#endif
    :: d_step { me.target && !me.busy && me.mode == OFF -> me.reg = me.reg | B(me.target); me.target = 0; TIDY }
    :: d_step { me.target && !me.busy && me.mode != OFF && MARKING -> me.reg = me.reg | B(me.target);
                if :: UPGRADE_SHADES -> me.new = IFWHITE(me.target) :: else fi;
                me.target = 0; TIDY }
#if defined(M_UPGRADE_NOLOCK)       /* (g) phase read | shade, without lock or second look */
    :: d_step { me.target && !me.busy && me.mode != OFF && phase == TERMINATE -> me.busy = 1; TIDY }
    :: d_step { me.target && me.busy -> shade_on_queue(); TIDY }
#elif defined(M_UPGRADE_NOT_AGAIN)  /* "no longer Terminate" taken for "marking is over" */
    :: d_step { me.target && !me.busy && me.mode != OFF && phase == TERMINATE -> me.busy = 1; TIDY }
    :: d_step { me.target && me.busy && phase == TERMINATE -> shade_on_queue(); TIDY }
    :: d_step { me.target && me.busy && phase == MARK -> me.reg = me.reg | B(me.target); me.target = 0; me.busy = 0; TIDY }
    :: d_step { me.target && me.busy && phase >= CLEAR -> white_is_dead(); TIDY }
#elif defined(UPGRADE_LOCKED)       /* load and judge in one locked section, as soon as the round is answered */
    :: d_step { READY && weak[0] && !LOAD_APART -> me.target = weak[0];
                if :: phase == TERMINATE -> shade_on_queue() :: else -> white_is_dead() fi; TIDY }
#else                               /* under the cycle lock */
    :: d_step { me.target && me.mode != OFF && phase == TERMINATE -> shade_on_queue(); TIDY }
#endif
    :: d_step { me.target && !me.busy && me.mode != OFF && phase >= CLEAR -> white_is_dead(); TIDY }
#endif
    od
}

/* ------------------------------------------------------------ collector */

#define IS_OFF(k)      (m[k].mode == OFF)
#define IS_BOTH(k)     (m[k].mode == BOTH)
#define IS_DELETION(k) (m[k].mode == DELETION)
#define ANSWERED(k)    (m[k].answered)
#if MUTS == 1
#define ALL(P) (P(0))
#elif MUTS == 2
#define ALL(P) (P(0) && P(1))
#else
#define ALL(P) (P(0) && P(1) && P(2))
#endif

inline ask_round() {
    dirty = 0;
    i = 0; do :: i < MUTS -> m[i].answered = 0; i++ :: else -> break od
}

inline flip() {
    i = 1; do :: i <= OBJS -> cap[i] = 0; if :: col[i] == BLACK -> col[i] = WHITE :: else fi; i++ :: else -> break od;
#ifdef LATE
    stale = (busy_ -> !stale : 0);
#endif
    live = WHITE
}

inline sweep() {
    i = 1; do :: i <= OBJS -> if :: col[i] == WHITE -> col[i] = FREE; fld[i] = 0 :: else fi; i++ :: else -> break od
}

#ifdef CELL     /* a locked cell waits; a captured one needs no scan */
#define SCAN(x) :: d_step { phase == MARK && !v && (grey & B(x)) && !LOCKED(x) -> grey = grey & ~B(x); \
                    if :: !cap[x] -> v = IFWHITE(fld[x]); cap[x] = 1 :: else fi; TIDY }
#else
#define SCAN(x) :: d_step { phase == MARK && !v && (grey & B(x)) -> grey = grey & ~B(x); v = IFWHITE(fld[x]); TIDY }
#endif

/* 6: in phase Clear only the collector marks, and mutators cannot reach any of it yet */
#define THROUGH(x) :: d_step { !v && (grey & B(x)) -> grey = grey & ~B(x); v = IFWHITE(fld[x]); TIDY }
inline deliver() {          /* a fresh root entry: no barrier */
    true;
    if
    :: d_step { taken && !root[R] -> root[R] = taken; taken = 0; TIDY }
    :: !taken
    fi
}
inline mark_through() {
    true;
    d_step { if :: fin && col[fin] == WHITE -> taken = fin; fin = 0; col[taken] = BLACK; grey = grey | B(taken) :: else fi; TIDY }
    true;
#ifdef M_FIN_EARLY          /* delivered before all that it reaches is black */
    deliver();
#endif
#ifdef M_FIN_NOT_THROUGH
    grey = 0;
#endif
    do
    EACH(THROUGH)
    :: d_step { v && col[v] != WHITE -> v = 0; TIDY }
    :: d_step { v && col[v] == WHITE -> col[v] = BLACK; grey = grey | B(v); v = 0; TIDY }
    :: !v && !grey -> break
    od;
    deliver()
}

proctype Collector() {
    do      /* 0 Idle */
#if defined(DROP) && !defined(DROPPER)
    :: d_step { given -> root[R] = 0; given = 0; TIDY }     /* free a listed entry */
#endif
       /* 1 Prepare */
    :: d_step { flip(); phase = PREPARE; want = BOTH;
#ifndef ONLY_LOST        /* no buffer entry outlives its cycle */
                assert(!grey);
#endif
#ifdef DROPPER
                parity = !parity;
#endif
#ifdef M_ONE_HANDSHAKE  /* (i) */
                phase = MARK; want = DELETION;
#endif
                TIDY }
       /* 2 Begin */
#ifndef M_ONE_HANDSHAKE
       d_step { ALL(IS_BOTH) -> phase = MARK; want = DELETION; TIDY }
#endif
       T2_BEFORE_TRACING;
#ifdef LATE
       tracing = 1;
#endif
       do
       /* 3 Mark */
       :: d_step { phase == MARK && !v && scan < ROOTS -> v = IFWHITE(root[scan]); scan++; TIDY }
       EACH(SCAN)
       :: d_step { v && col[v] != WHITE -> v = 0; TIDY }
       :: d_step { v -> col[v] = BLACK; grey = grey | B(v); v = 0; TIDY }
       /* 4 Terminate */
       :: d_step { phase == MARK && !v && scan == ROOTS && !GREY && ALL(IS_DELETION) ->
                   phase = TERMINATE; ask_round();
#ifdef M_NO_ROUND       /* (e) */
                   clean = ROUNDS;
#endif
                   TIDY }
       :: d_step { phase == TERMINATE && clean < ROUNDS && ALL(ANSWERED) && (dirty || GREY) -> phase = MARK; clean = 0; TIDY }
       :: d_step { phase == TERMINATE && clean < ROUNDS && ALL(ANSWERED) && !dirty && !GREY ->
                   clean++; if :: clean < ROUNDS -> ask_round() :: else fi; TIDY }
       /* 5 Decide, under the cycle lock */
#if defined(LATE) && !defined(M_LATE_CLOSE)    /* tracing is closed, and then anybody counted who is busy */
       :: d_step { clean == ROUNDS && tracing -> tracing = 0; TIDY }
       :: d_step { clean == ROUNDS && !tracing && GREY -> tracing = 1; phase = MARK; clean = 0; TIDY }
       :: d_step { clean == ROUNDS && !tracing && !GREY ->
#elif !defined(M_NO_DECIDE)
       :: d_step { clean == ROUNDS && GREY -> phase = MARK; clean = 0; TIDY }
       :: d_step { clean == ROUNDS && !GREY ->
#else
       :: d_step { clean == ROUNDS ->
#endif
                   c_code { check(0); }; assert(!lost);
                   phase = CLEAR; clean = 0; scan = 0; TIDY }
          break
       od;
#ifdef M_LATE_CLOSE
       tracing = 0;
#endif
       /* 6 Clear: weak slots; finalizable objects are marked through; then delivered */
#if defined(FINAL) && defined(M_CLEAR_LATE)
       mark_through();
#endif
#ifdef WEAK
       do
       :: d_step { scan < WEAKS && !v && col[weak[scan]] != WHITE -> scan++; TIDY }
       :: d_step { scan < WEAKS && !v && col[weak[scan]] == WHITE -> v = weak[scan]; TIDY }
#ifdef M_CLEAR_STORE    /* cleared by a plain store instead of a compare-and-swap */
       :: d_step { v -> assert(col[weak[scan]] != BLACK); weak[scan] = 0; v = 0; scan++; TIDY }
#else
       :: d_step { v && weak[scan] == v -> weak[scan] = 0; v = 0; scan++; TIDY }
       :: d_step { v && weak[scan] != v -> v = 0; TIDY }
#endif
       :: scan == WEAKS -> break
       od;
#endif
#if defined(FINAL) && !defined(M_CLEAR_LATE)
       mark_through();
#endif
       /* 7 Sweep */
       atomic { phase = SWEEP; scan = 0; TIDY }
       d_step { live = BLACK; want = OFF; TIDY }
       d_step { T3_BEFORE_SWEEP -> c_code { check(1); }; assert(!lost); sweep(); TIDY }
       d_step { T3 -> phase = IDLE; TIDY }
    od
}

/* ------------------------------------------------------------ another marker, which may be late */

#ifdef LATE
#define TAKE(x) :: d_step { !hv && ((grey | hands) & B(x)) -> grey = grey & ~B(x); hands = hands & ~B(x); \
                       hv = (col[fld[x]] == LATE_WHITE -> fld[x] : 0); TIDY }
#define LATE_WHITE (stale -> BLACK : WHITE)
#define LATE_BLACK (stale -> WHITE : BLACK)

proctype Late() {
    do
    :: phase == MARK && tracing ->      /* asked to help; it may sleep before each of what follows */
#ifdef M_LATE_BUSY          /* counts as busy only after it has taken something */
       if EACH(TAKE) fi;
#endif
       busy_ = 1;
#ifdef M_LATE_TUNED_FIRST   /* takes the colours over before it looks whether tracing is open */
       stale = 0;
#endif
       if
#ifdef M_LATE_BLIND         /* does not look again whether tracing is open */
       :: true ->
#else
       :: !tracing && !hands && !hv
       :: tracing || hands || hv ->
#endif
#ifndef M_LATE_TUNED_FIRST
          stale = 0;
#endif
          do
          EACH(TAKE)
          :: d_step { hv && col[hv] != LATE_WHITE -> hv = 0; TIDY }
          :: d_step { hv && col[hv] == LATE_WHITE -> col[hv] = LATE_BLACK; hands = hands | B(hv); hv = 0; TIDY }
#ifdef M_LATE_IDLE          /* counts as idle with grey objects in its hands */
          :: !hv -> break
#else
          :: !hv && !hands -> break
#endif
          od
       fi;
       busy_ = 0;
       stale = 0
    od
}
#endif

/* ------------------------------------------------------------ a root dropped by another thread, with barriers */

#ifdef DROPPER
proctype Dropper() {
    bool p;
    do
#if defined(M_DROP_UNSHADED)        /* (h) */
    :: d_step { given -> root[R] = 0; given = 0; TIDY }
#elif defined(M_DROP_CLEAR_FIRST)   /* (h) clear | shade */
    :: d_step { given -> hand = IFWHITE(root[R]); root[R] = 0; given = 0; TIDY };
       d_step { true -> if :: hand && col[hand] == WHITE -> col[hand] = BLACK; grey = grey | B(hand) :: else fi; hand = 0; TIDY }
#elif defined(M_DROP_FLIP)          /* test | set, push and clear: the flip may come in between */
    :: d_step { given && phase != IDLE && col[root[R]] == WHITE -> p = parity };
       d_step { col[root[R]] = (p == parity -> BLACK : WHITE); grey = grey | B(root[R]); root[R] = 0; given = 0; p = 0; TIDY }
    :: d_step { given && (phase == IDLE || col[root[R]] != WHITE) -> root[R] = 0; given = 0; TIDY }
#elif defined(M_DROP_BARRIER)       /* phase read | test | set | push | clear */
    :: given && phase == IDLE ->
       d_step { root[R] = 0; given = 0; TIDY }
    :: given && phase != IDLE ->
       if
       :: d_step { col[root[R]] == WHITE -> p = parity }
          d_step { col[root[R]] = (p == parity -> BLACK : WHITE); p = 0; TIDY }
          d_step { grey = grey | B(root[R]); TIDY }
       :: col[root[R]] != WHITE
       fi;
       d_step { root[R] = 0; given = 0; TIDY }
#else                               /* all of it under the lock that flip and Decide take */
    :: d_step { given ->
                if :: phase != IDLE && col[root[R]] == WHITE -> col[root[R]] = BLACK; grey = grey | B(root[R]) :: else fi;
                root[R] = 0; given = 0; TIDY }
#endif
    od
}
#endif

init {
    atomic {
        run Mutator(0);
#if MUTS > 1
        run Mutator(1);
#endif
#if MUTS > 2
        run Mutator(2);
#endif
#ifdef DROPPER
        run Dropper();
#endif
#ifdef LATE
        run Late();
#endif
        run Collector()
    }
}

/* ------------------------------------------------------------ reachability and standard order */

c_code {
    extern int readtrail;     /* pan -r, pan -C */
    /* Everything reachable from the set s; mutator k cannot look into a cell another one has locked. */
    static int reach(int s, int k) {
        int before, x, j;
        do {
            before = s;
            for (x = 1; x <= OBJS; x++) {
                int shut = 0;
#ifdef CELL
                for (j = 0; j < MUTS; j++) shut |= k >= 0 && j != k && now.m[j].cell == x;
#endif
                if ((s >> x & 1) && !shut) s |= 1 << now.fld[x];
            }
        } while (s != before);
        return s & ~1;
    }
    static int roots(int dropped) {
        int r, s = 0;
        for (r = 0; r < ROOTS; r++) if (dropped || r != R || !now.given) s |= 1 << now.root[r];
        return s;
    }
    /* Is an object lost: white, though a mutator can reach it, or someone is about to touch its colour?
       When the sweep begins, no weak slot and no unfinished upgrade may refer to it either. */
    static void check(int sweeping) {
        int j, k, x, s = roots(0), touched = 1 << now.hand | 1 << now.hv | roots(1);
        for (k = 0; k < MUTS; k++) {
            s |= now.m[k].reg;
            for (j = 0; j < (sweeping ? NREF : 2); j++) touched |= 1 << now.m[k].ref[j];
        }
        if (sweeping) touched |= 1 << now.fin | 1 << now.taken;
        if (sweeping) for (k = 0; k < WEAKS; k++) touched |= 1 << now.weak[k];
        s = reach(s, -1) | touched;
        for (x = 1; x <= OBJS; x++) if ((s >> x & 1) && now.col[x] != BLACK) now.lost = 1;
    }

    typedef struct {
        uchar col[OBJS+1], fld[OBJS+1], cap[OBJS+1], root[ROOTS], weak[WEAKS], v, grey, hand, shared, hands, hv, fin, taken;
        struct Mut m[MUTS];
    } View;

    /* The state with mutators and root slots taken in the given order, objects sorted by who refers to them. */
    static void view(View *t, const uchar *mo, const uchar *ro) {
        unsigned long key[OBJS+1], k2[OBJS+1];
        int n = 0, x, k, j, to[OBJS+1], from[OBJS+2];
        memset(t, 0, sizeof *t); memset(to, 0, sizeof to); memset(key, 0, sizeof key);
        for (x = 1; x <= OBJS; x++) if (now.col[x]) {
            unsigned long s = 1;
#define ADD(bit) s = s * 0x9E3779B97F4A7C15UL + (bit)
            for (k = 0; k < MUTS; k++) {
                for (j = 0; j < 2; j++) ADD(now.m[mo[k]].set[j] >> x & 1);
                for (j = 0; j < NREF; j++) ADD(now.m[mo[k]].ref[j] == x);
            }
            for (k = 0; k < ROOTS; k++) ADD(now.root[ro[k]] == x);
            for (k = 0; k < WEAKS; k++) ADD(now.weak[k] == x);
            ADD(now.v == x); ADD(now.hand == x); ADD(now.grey >> x & 1); ADD(now.cap[x]);
            ADD(now.hands >> x & 1); ADD(now.hv == x); ADD(now.fin == x); ADD(now.taken == x);
            key[x] = s * 4 + now.col[x];
        }
        for (x = 1; x <= OBJS; x++) k2[x] = key[x] * 31 + key[now.fld[x]];
        for (x = 1; x <= OBJS; x++) if (now.col[x]) {
            for (k = n++; k > 0 && k2[from[k-1]] < k2[x]; k--) from[k] = from[k-1];
            from[k] = x;
        }
        for (k = 0; k < n; k++) to[from[k]] = k + 1;
        for (k = 0; k < n; k++) {
            t->col[k+1] = now.col[from[k]]; t->fld[k+1] = to[now.fld[from[k]]]; t->cap[k+1] = now.cap[from[k]];
        }
#define SET(into, s) for (into = 0, x = 1; x <= OBJS; x++) into |= ((s) >> x & 1) << to[x]
        SET(t->grey, now.grey); SET(t->shared, now.shared); SET(t->hands, now.hands);
        t->v = to[now.v]; t->hand = to[now.hand]; t->hv = to[now.hv]; t->fin = to[now.fin]; t->taken = to[now.taken];
        for (k = 0; k < ROOTS; k++) t->root[k] = to[now.root[ro[k]]];
        for (k = 0; k < WEAKS; k++) t->weak[k] = to[now.weak[k]];
        for (k = 0; k < MUTS; k++) {
            t->m[k] = now.m[mo[k]];
            for (j = 0; j < 2; j++) SET(t->m[k].set[j], now.m[mo[k]].set[j]);
            for (j = 0; j < NREF; j++) t->m[k].ref[j] = to[now.m[mo[k]].ref[j]];
        }
    }

    /* One line of state after each action of a replayed counterexample (pan -C). */
    static void show(void) {
        static const char *phases[] = {"idle", "prepare", "mark", "terminate", "clear", "sweep"};
        static const char *modes[] = {"off", "both", "del"};
        int k, j, x;
#define PRINTSET(name, s) if ((s) & ~1) { printf(name "{"); for (x = 1; x <= OBJS; x++) if ((s) >> x & 1) printf("%d", x); printf("}"); }
        printf("  %-9s", phases[now.phase]);
        for (x = 1; x <= OBJS; x++) printf(" %d:%c->%d", x, "-WB"[now.col[x]], now.fld[x]);
        printf("  roots");
        for (k = 0; k < ROOTS; k++) printf(" %d", now.root[k]);
        for (k = 0; k < WEAKS; k++) if (now.weak[k]) printf("  weak%d=%d", k, now.weak[k]);
        if (now.v) printf("  v=%d", now.v);
        PRINTSET("  grey", now.grey)
        if (now.busy_) printf("  busy"); if (now.hv) printf("  hv=%d", now.hv); PRINTSET(" hands", now.hands)
        if (now.fin) printf("  fin=%d", now.fin); if (now.taken) printf("  taken=%d", now.taken);
        for (k = 0; k < MUTS; k++) {
            struct Mut *t = &now.m[k];
            printf("  | m%d %s%s%s ", k, modes[t->mode], now.phase == 3 && t->answered ? " answered" : "", t->busy ? " busy" : "");
            PRINTSET("reg", t->set[0]) PRINTSET(" buf", t->set[1])
            for (j = 0; j < NREF; j++) if (t->ref[j]) printf(" ref%d=%d", j, t->ref[j]);
        }
        printf("\n");
    }

    static void tidy(void) {
        int j, k, x, s;
        now.i = 0;
        now.shared = reach(roots(0), -1);
        s = roots(1) | 1 << now.v | 1 << now.hand | now.grey | 1 << now.hv | now.hands | 1 << now.fin | 1 << now.taken;
        for (k = 0; k < WEAKS; k++) s |= 1 << now.weak[k];
        for (k = 0; k < MUTS; k++) {
            s |= now.m[k].reg = reach(now.m[k].reg | roots(0), k);
            s |= now.m[k].buf;
            for (j = 0; j < NREF; j++) s |= 1 << now.m[k].ref[j];
        }
        s = reach(s, -1);
        for (x = 1; x <= OBJS; x++) if (!(s >> x & 1)) now.col[x] = now.fld[x] = now.cap[x] = 0;
#ifndef NOSYM
        static const uchar order[6][3] = {{0,1,2}, {1,0,2}, {0,2,1}, {1,2,0}, {2,0,1}, {2,1,0}};
        View t, best;
        int mutators = MUTS == 1 ? 1 : MUTS == 2 ? 2 : 6;
        int rootses = ROOTS == 1 ? 1 : now.scan == 0 || now.scan == ROOTS ? 2 : 1;
#if defined(DROP) || defined(LOAD_STORE)
        rootses = 1;
#endif
        for (j = 0; j < mutators; j++) for (k = 0; k < rootses; k++) {
            view(&t, order[j], order[k]);
            if (j + k == 0 || memcmp(&t, &best, sizeof t) < 0) best = t;
        }
        memcpy(now.col, best.col, sizeof best.col);
        memcpy(now.fld, best.fld, sizeof best.fld);
        memcpy(now.cap, best.cap, sizeof best.cap);
        memcpy(now.root, best.root, sizeof best.root);
        memcpy(now.weak, best.weak, sizeof best.weak);
        memcpy(now.m, best.m, sizeof best.m);
        now.v = best.v; now.grey = best.grey; now.hand = best.hand; now.shared = best.shared;
        now.hands = best.hands; now.hv = best.hv; now.fin = best.fin; now.taken = best.taken;
#endif
        if (readtrail) show();
    }
}
