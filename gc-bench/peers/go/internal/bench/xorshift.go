package bench

// Xorshift is the generator of gc-bench: the same numbers, so the same data.
type Xorshift uint64

// NewXorshift begins the sequence of a stream.
func NewXorshift(stream int) *Xorshift {
	x := Xorshift(88172645463325252 ^ uint64(stream)*0x9E3779B97F4A7C15)
	return &x
}

// Next is the next number.
func (x *Xorshift) Next() uint64 {
	n := uint64(*x)
	n ^= n << 13
	n ^= n >> 7
	n ^= n << 17
	*x = Xorshift(n)
	return n
}

// Below is a number from 0 up to n.
func (x *Xorshift) Below(n int) int { return int(x.Next() % uint64(n)) }
