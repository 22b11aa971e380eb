; Ten million calls in tail position: neither the stack nor the heap grows.

(define calls 10000000)

(define (count n)
  (if (= n 0) 'done (count (- n 1))))

(define (even-steps? n) (if (= n 0) #t (odd-steps? (- n 1))))
(define (odd-steps? n) (if (= n 0) #f (even-steps? (- n 1))))

(display (count calls))
(newline)
(display (even-steps? (quotient calls 10)))
(newline)
(display (let loop ((i 0) (sum 0))
           (if (< i 1000000) (loop (+ i 1) (+ sum i)) sum)))
(newline)
