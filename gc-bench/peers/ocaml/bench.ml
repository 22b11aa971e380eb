(* What the OCaml peers have in common: the options, the measured span and the report of gc-bench. *)

let refuse message =
  prerr_endline message;
  exit 2

(* Ends the program unless the result is right. *)
let expect what actual expected =
  if actual <> expected then begin
    Printf.eprintf "check failed: %s is %d, must be %d\n" what actual expected;
    exit 1
  end

(* The file for the times of operations. *)
let latencies = ref None

(* Whole numbers given as [--name value], each with the least it may be; [--latencies FILE] where operations are timed. *)
let options ?(timed = false) known =
  let set name least cell =
    (name, Arg.Int (fun n -> if n < least then refuse (Printf.sprintf "%s must be at least %d" name least) else cell := n), "")
  in
  let numbers = List.map (fun (name, least, cell) -> set name least cell) known in
  let file = ("--latencies", Arg.String (fun path -> latencies := Some path), "") in
  let specs = if timed then file :: numbers else numbers in
  let unexpected arg = refuse ("unexpected argument " ^ arg) in
  try Arg.parse_argv Sys.argv specs unexpected ""
  with Arg.Bad text | Arg.Help text -> refuse (List.hd (String.split_on_char '\n' text))

(* Peak resident memory of the process, in bytes. *)
let peak () =
  let status = open_in "/proc/self/status" in
  let rec find () =
    match input_line status with
    | line when String.length line > 6 && String.sub line 0 6 = "VmHWM:" ->
      Scanf.sscanf line "VmHWM: %d kB" (fun kib -> kib * 1024)
    | _ -> find ()
    | exception End_of_file -> 0
  in
  let bytes = find () in
  close_in status;
  bytes

(* Runs the work as the measured span; its result and how long it took, on the clock and of CPU time. *)
let measure work =
  let wall = Unix.gettimeofday () and cpu = Sys.time () in
  let result = work () in
  (result, Unix.gettimeofday () -. wall, Sys.time () -. cpu)

let report ?times workload ~wall ~cpu ~ops check =
  let write times path = try Times.write times path with Sys_error text -> refuse ("cannot write " ^ text) in
  let op_ns times =
    Option.iter (write times) !latencies;
    ",\"op_ns\":" ^ Times.percentiles times
  in
  Printf.printf
    "{\"workload\":\"%s\",\"params\":{},\"wall_s\":%.6f,\"cpu_s\":%.6f,\"ops\":%d,\"ops_per_s\":%.1f,\
     \"max_rss_bytes\":%d,\"check\":\"%s\"%s}\n"
    workload wall cpu ops (float_of_int ops /. wall) (peak ()) check (Option.fold times ~none:"" ~some:op_ns)
