/** Marsaglia's xorshift64, as in ../../src/xorshift.rs. */
final class Xorshift {
    private long state = 88172645463325252L;

    /** A number in 0..n. */
    int below(int n) {
        state ^= state << 13;
        state ^= state >>> 7;
        state ^= state << 17;
        return (int) Long.remainderUnsigned(state, n);
    }
}
