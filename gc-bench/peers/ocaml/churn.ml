(* Small trees made, read, dropped and replaced in a large live heap: see ../../src/workloads/churn.rs. *)

let tree_bytes = 7 * 48
let tree_depth = 2

(* All four words are the tree's number plus the node's place in the tree. *)
type tree = Empty | Node of { left : tree; right : tree; a : int; b : int; c : int; d : int }

let rec build number place depth =
  let left = if depth > 0 then build number (2 * place) (depth - 1) else Empty in
  let right = if depth > 0 then build number ((2 * place) + 1) (depth - 1) else Empty in
  let word = number + place in
  Node { left; right; a = word; b = word; c = word; d = word }

let rec read = function
  | Empty -> 0
  | Node { left; right; a; b; c; d } -> a + b + c + d + read left + read right

let expect_tree tree number = Bench.expect "the sum of a tree" (read tree) (4 * ((7 * number) + 28))

let work forest ops =
  let random = Xorshift.start () in
  let times = Times.start () in
  for number = 0 to ops - 1 do
    expect_tree (build number 1 tree_depth) number;
    let place = Xorshift.below random (Array.length forest) in
    forest.(place) <- build number 1 tree_depth;
    Times.lap times
  done;
  times

let inspect = function
  | Empty -> Bench.expect "the number of nodes in a tree" 0 7
  | Node { a; _ } as tree -> expect_tree tree (a - 1)

let () =
  let live = ref 268_435_456 and ops = ref 5_000_000 in
  Bench.options ~timed:true [ ("--live", tree_bytes, live); ("--ops", 1, ops) ];
  let forest = Array.make (!live / tree_bytes) Empty in
  Array.iteri (fun i _ -> forest.(i) <- build i 1 tree_depth) forest;
  let times, wall, cpu = Bench.measure (fun () -> work forest !ops) in
  Array.iter inspect forest;
  Bench.report "churn" ~times ~wall ~cpu ~ops:!ops
    (Printf.sprintf "%d trees read right, %d trees whole at the end" !ops (Array.length forest))
