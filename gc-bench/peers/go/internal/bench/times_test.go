package bench

import "testing"

func TestBucketsAreExactToATenthOfAPercent(t *testing.T) {
	for ns := int64(0); ns < 1<<36; ns += 1 + ns/97 {
		up := upper(bucket(ns))
		if up < ns || up > ns+ns/1000+1 {
			t.Fatalf("%d is in the bucket up to %d", ns, up)
		}
		if up+1 <= 1<<36 && bucket(up) != bucket(ns) || bucket(up+1) != bucket(ns)+1 {
			t.Fatalf("the bucket of %d does not end at %d", ns, up)
		}
	}
}

func TestXorshiftIsMarsaglias(t *testing.T) {
	if n := NewXorshift(0).Next(); n != 8748534153485358512 {
		t.Fatal(n)
	}
}
