; The part of the standard library that is written in Lisp itself: whatever calls procedures it is given.

(define (caar x) (car (car x)))
(define (cadr x) (car (cdr x)))
(define (cddr x) (cdr (cdr x)))
(define (caddr x) (car (cdr (cdr x))))

(define (zero? n) (= n 0))
(define (positive? n) (> n 0))
(define (negative? n) (< n 0))
(define (even? n) (= (remainder n 2) 0))
(define (odd? n) (not (even? n)))
(define (abs n) (if (< n 0) (- n) n))

(define (max a . rest) (fold-left (lambda (x y) (if (< x y) y x)) a rest))
(define (min a . rest) (fold-left (lambda (x y) (if (< y x) y x)) a rest))

(define (fold-left f start xs)
  (if (null? xs) start (fold-left f (f start (car xs)) (cdr xs))))

(define (fold-right f start xs)
  (fold-left (lambda (rest x) (f x rest)) start (reverse xs)))

(define (map f xs)
  (let loop ((xs xs) (done '()))
    (if (null? xs) (reverse done) (loop (cdr xs) (cons (f (car xs)) done)))))

(define (for-each f xs)
  (when (not (null? xs))
    (f (car xs))
    (for-each f (cdr xs))))

(define (filter keep? xs)
  (let loop ((xs xs) (done '()))
    (cond ((null? xs) (reverse done))
          ((keep? (car xs)) (loop (cdr xs) (cons (car xs) done)))
          (else (loop (cdr xs) done)))))

(define (iota n)
  (let loop ((n n) (xs '()))
    (if (= n 0) xs (loop (- n 1) (cons (- n 1) xs)))))

(define (list-tail xs n) (if (= n 0) xs (list-tail (cdr xs) (- n 1))))
(define (list-ref xs n) (car (list-tail xs n)))

(define (find-tail same? x xs)
  (cond ((null? xs) #f)
        ((same? x (car xs)) xs)
        (else (find-tail same? x (cdr xs)))))

(define (memq x xs) (find-tail eq? x xs))
(define (member x xs) (find-tail equal? x xs))

(define (find-entry same? key entries)
  (cond ((null? entries) #f)
        ((same? key (caar entries)) (car entries))
        (else (find-entry same? key (cdr entries)))))

(define (assq key entries) (find-entry eq? key entries))
(define (assoc key entries) (find-entry equal? key entries))
