(* Marsaglia's xorshift64, as in ../../src/xorshift.rs. *)

(* The state is eight bytes, since an integer has 63 bits, and an [int64] that is kept would be allocated with each step. *)
type t = Bytes.t

let start () =
  let state = Bytes.create 8 in
  Bytes.set_int64_ne state 0 88_172_645_463_325_252L;
  state

(* A number in 0..n. *)
let below state n =
  let x = Bytes.get_int64_ne state 0 in
  let x = Int64.logxor x (Int64.shift_left x 13) in
  let x = Int64.logxor x (Int64.shift_right_logical x 7) in
  let x = Int64.logxor x (Int64.shift_left x 17) in
  Bytes.set_int64_ne state 0 x;
  (* The remainder of x without a sign: that of its upper 63 bits, then the last one. *)
  let upper = Int64.to_int (Int64.rem (Int64.shift_right_logical x 1) (Int64.of_int n)) in
  let rest = (2 * upper) + (Int64.to_int x land 1) in
  if rest >= n then rest - n else rest
