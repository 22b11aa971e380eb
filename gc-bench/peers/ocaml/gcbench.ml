(* GCBench of Ellis, Kovac and Boehm: see ../../src/workloads/gcbench.rs. *)

let stretch_depth = 18
let long_lived_depth = 16
let array_length = 500_000
let min_depth = 4
let max_depth = 16

(* Mutable, as in the original; i and j are read by nobody. *)
type tree = Empty | Node of { mutable left : tree; mutable right : tree; mutable i : int; mutable j : int }

let node left right = Node { left; right; i = 0; j = 0 }

let rec bottom_up depth =
  if depth = 0 then node Empty Empty
  else
    let left = bottom_up (depth - 1) in
    let right = bottom_up (depth - 1) in
    node left right

let rec populate depth = function
  | Node n when depth > 0 ->
    n.left <- node Empty Empty;
    n.right <- node Empty Empty;
    populate (depth - 1) n.left;
    populate (depth - 1) n.right
  | _ -> ()

let top_down depth =
  let tree = node Empty Empty in
  populate depth tree;
  tree

let rec count = function
  | Empty -> 0
  | Node n -> 1 + count n.left + count n.right

let nodes depth = (2 lsl depth) - 1

(* As many trees of this depth as two stretch trees have nodes, made in one of the two ways; the nodes made. *)
let make build depth =
  let trees = 2 * nodes stretch_depth / nodes depth in
  Bench.expect "the node count of a tree" (count (build depth)) (nodes depth);
  for _ = 2 to trees do
    ignore (Sys.opaque_identity (build depth))
  done;
  trees * nodes depth

let () =
  Bench.options [];
  let work () =
    ignore (Sys.opaque_identity (bottom_up stretch_depth));
    let tree = top_down long_lived_depth in
    let numbers = Array.make array_length 0.0 in
    for i = 0 to (array_length / 2) - 1 do
      numbers.(i) <- 1.0 /. float_of_int i
    done;
    let made = ref 0 in
    let depth = ref min_depth in
    while !depth <= max_depth do
      made := !made + make top_down !depth + make bottom_up !depth;
      depth := !depth + 2
    done;
    (!made, count tree, numbers.(1000))
  in
  let (made, kept, number), wall, cpu = Bench.measure work in
  Bench.expect "the long-lived tree's node count" kept (nodes long_lived_depth);
  if number <> 0.001 then Bench.expect "element 1000 of the long-lived array" 0 1;
  Bench.report "gcbench" ~wall ~cpu ~ops:(made + nodes stretch_depth + kept)
    (Printf.sprintf "long-lived tree of %d nodes, array[1000] = %g" kept number)
