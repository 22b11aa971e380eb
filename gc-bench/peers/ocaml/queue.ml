(* A ring of messages: see ../../src/workloads/queue.rs. *)

(* The bytes that all messages have in common. *)
let text size = Bytes.init size (fun i -> Char.chr (i land 255))

let message text number =
  Bytes.set_int64_le text 0 (Int64.of_int number);
  Bytes.copy text

let expect_message message number size =
  Bench.expect "the length of a message" (Bytes.length message) size;
  (* As eight bytes, since an integer would lose the uppermost bit. *)
  if not (Int64.equal (Bytes.get_int64_le message 0) (Int64.of_int number)) then
    Bench.expect "the message out of the ring" (Int64.to_int (Bytes.get_int64_le message 0)) number;
  if size > 8 then Bench.expect "its last byte" (Bytes.get_uint8 message (size - 1)) ((size - 1) land 255)

let push ring text pushes =
  let times = Times.start () in
  let window = Array.length ring and at = ref 0 in
  for pushed = 0 to pushes - 1 do
    expect_message ring.(!at) pushed (Bytes.length text);
    ring.(!at) <- message text (pushed + window);
    at := if !at + 1 = window then 0 else !at + 1;
    Times.lap times
  done;
  times

let () =
  let window = ref 200_000 and size = ref 1024 and pushes = ref 5_000_000 in
  Bench.options ~timed:true [ ("--window", 1, window); ("--size", 8, size); ("--pushes", 1, pushes) ];
  let text = text !size in
  let ring = Array.init !window (message text) in
  let times, wall, cpu = Bench.measure (fun () -> push ring text !pushes) in
  Bench.report "queue" ~times ~wall ~cpu ~ops:!pushes
    (Printf.sprintf "%d messages came out in order and whole" !pushes)
