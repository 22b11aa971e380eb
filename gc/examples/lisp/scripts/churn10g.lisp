; Ten gigabytes of garbage, whatever the size of the heap: run it with --hard-limit 64MiB.
;
; Vectors of a hundred elements and lists that live for a while, until it is ten thousand million bytes.

(define goal 10000000000)

(define (allocated) (cdr (assq 'allocated-bytes (gc-stats))))

(define kept (make-vector 1000 '()))

(define (round-of n)
  (when (> n 0)
    (vector-set! kept (remainder (* n 7) 1000) (list n (+ n 1) (number->string n)))
    (make-vector 100 n)
    (round-of (- n 1))))

(define start (allocated))

(define (run rounds)
  (if (< (- (allocated) start) goal)
      (begin (round-of 10000) (run (+ rounds 1)))
      rounds))

(display (if (> (run 0) 0) "churned" "did nothing"))
(newline)
(display (vector-ref kept 7))
(newline)
