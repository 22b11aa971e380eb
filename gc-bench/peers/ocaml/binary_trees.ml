(* The Benchmarks Game program: see ../../src/workloads/binary_trees.rs. *)

let min_depth = 4

(* Mutable, so that a leaf is a fresh object and not one constant for all. *)
type tree = Empty | Node of { mutable left : tree; mutable right : tree }

let rec build depth =
  if depth = 0 then Node { left = Empty; right = Empty }
  else
    let left = build (depth - 1) in
    let right = build (depth - 1) in
    Node { left; right }

let rec count = function
  | Empty -> 0
  | Node { left; right } -> 1 + count left + count right

let nodes depth = (2 lsl depth) - 1

let rec short_lived depth step d made =
  if d > depth then made
  else begin
    let made = ref made in
    for _ = 1 to 1 lsl (depth - d + min_depth) do
      let counted = count (build d) in
      Bench.expect "the node count of a tree" counted (nodes d);
      made := !made + counted
    done;
    short_lived depth step (d + step) !made
  end

let () =
  let depth = ref 18 and step = ref 2 in
  Bench.options [ ("--depth", 6, depth); ("--step", 1, step) ];
  let work () =
    let stretch = count (build (!depth + 1)) in
    let long_lived = build !depth in
    let made = short_lived !depth !step min_depth 0 in
    (stretch, made, count long_lived)
  in
  let (stretch, made, kept), wall, cpu = Bench.measure work in
  Bench.expect "the stretch tree's node count" stretch (nodes (!depth + 1));
  Bench.expect "the long-lived tree's node count" kept (nodes !depth);
  Bench.report "binary-trees" ~wall ~cpu ~ops:(stretch + made + kept)
    (Printf.sprintf "stretch %d, short-lived %d, long-lived %d nodes" stretch made kept)
