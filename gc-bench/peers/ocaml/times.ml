(* Counts the times of operations that follow each other: each ends where the next begins. *)

external now : unit -> int = "clock_ns" [@@noalloc]

(* Buckets of a log-linear histogram: 1024 to every power of two, so that a value is known to 0.1 %. *)
let sub_bits = 10
let buckets = (40 - sub_bits) lsl sub_bits

type t = {
  (* Outside of OCaml's heap: the collector need not read it. *)
  counts : (int, Bigarray.int_elt, Bigarray.c_layout) Bigarray.Array1.t;
  mutable longest : int;
  mutable last : int;
}

(* An empty recording with all its memory in place; the first operation begins now. *)
let start () =
  let counts = Bigarray.(Array1.create int c_layout buckets) in
  Bigarray.Array1.fill counts 0;
  { counts; longest = 0; last = now () }

(* Up to 2047 a bucket for each value; above, the 11 leading bits choose it. *)
let bucket ns =
  let shift = ref 0 in
  while ns lsr !shift >= 2 lsl sub_bits do
    incr shift
  done;
  min ((!shift lsl sub_bits) + (ns lsr !shift)) (buckets - 1)

(* The largest value of a bucket. *)
let upper bucket =
  let shift = max ((bucket lsr sub_bits) - 1) 0 in
  ((bucket - (shift lsl sub_bits) + 1) lsl shift) - 1

(* Ends one operation and begins the next. *)
let lap times =
  let at = now () in
  let ns = at - times.last in
  let place = bucket ns in
  times.counts.{place} <- times.counts.{place} + 1;
  if ns > times.longest then times.longest <- ns;
  times.last <- at

(* Calls [f] with the largest value and the count of every used bucket, shortest first. *)
let iter f times =
  for place = 0 to buckets - 1 do
    if times.counts.{place} > 0 then f (upper place) times.counts.{place}
  done

let percentiles times =
  let total = ref 0 in
  iter (fun _ n -> total := !total + n) times;
  let quantile q =
    let rest = ref (int_of_float (ceil (q *. float_of_int !total))) and found = ref times.longest in
    iter (fun ns n -> if !rest > 0 then (found := min ns times.longest; rest := !rest - n)) times;
    !found
  in
  Printf.sprintf "{\"count\":%d,\"p50\":%d,\"p99\":%d,\"p999\":%d,\"p9999\":%d,\"max\":%d}" !total (quantile 0.5)
    (quantile 0.99) (quantile 0.999) (quantile 0.9999) times.longest

(* Writes every used bucket: nanoseconds, tab, count. *)
let write times path =
  let file = open_out path in
  iter (fun ns n -> Printf.fprintf file "%d\t%d\n" ns n) times;
  close_out file
