; Out of memory is an error like any other. Run it with --hard-limit 64MiB.

(define (say . things)
  (for-each display things)
  (newline))

(define (report name err)
  (say name ": caught " (error-kind err) ", \"" (error-message err) "\"")
  'gone-on)

; 1. A list that never ends. What it had when the memory ran out is garbage once the error is caught.
(define (endless n xs) (endless (+ n 1) (cons n xs)))
(say "1 = " (try (endless 0 '()) (lambda (err) (report "an endless list" err))))

; 2. Recursion that never ends: the machine's stack is in the heap as well.
(define (deep n) (+ 1 (deep (+ n 1))))
(say "2 = " (try (deep 0) (lambda (err) (report "endless recursion" err))))

; 3. One object that is too large.
(say "3 = " (try (make-vector 100000000 0) (lambda (err) (report "a huge vector" err))))

; 4. A handler that itself runs out of memory: the next one outwards gets that.
(say "4 = " (try (try (endless 0 '()) (lambda (err) (deep 0)))
                 (lambda (err) (report "the handler's own" err))))

; 5. Data that is still wanted survives all that.
(define wanted (iota 10000))
(try (endless 0 '()) (lambda (err) 'ignored))
(say "5 = " (fold-left + 0 wanted))

; 6. Again and again.
(define (again n)
  (if (= n 0)
      'still-running
      (begin (try (endless 0 '()) (lambda (err) 'ignored)) (again (- n 1)))))
(say "6 = " (again 5))
