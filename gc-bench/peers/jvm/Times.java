import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** Counts the times of operations that follow each other: each ends where the next begins. */
final class Times {
    // Buckets of a log-linear histogram: 1024 to every power of two, so that a value is known to 0.1 %.
    private static final int SUB_BITS = 10;
    private static final int BUCKETS = (40 - SUB_BITS) << SUB_BITS;

    private final long[] counts = new long[BUCKETS];
    private long max;
    private long last;

    Times() {
        // Every page is in place before the first operation.
        Arrays.fill(counts, 0);
        last = System.nanoTime();
    }

    /** Ends one operation and begins the next. */
    void lap() {
        long now = System.nanoTime();
        long ns = now - last;
        counts[bucket(ns)]++;
        max = Math.max(max, ns);
        last = now;
    }

    private static int bucket(long ns) {
        if (ns < 1 << SUB_BITS) return (int) Math.max(ns, 0);
        int shift = 63 - Long.numberOfLeadingZeros(ns) - SUB_BITS;
        return Math.min(((shift + 1) << SUB_BITS) + (int) (ns >> shift) - (1 << SUB_BITS), BUCKETS - 1);
    }

    /** The largest value of a bucket. */
    private static long upper(int bucket) {
        if (bucket < 1 << SUB_BITS) return bucket;
        int shift = (bucket >> SUB_BITS) - 1;
        return ((bucket & ((1L << SUB_BITS) - 1)) + (1 << SUB_BITS) + 1 << shift) - 1;
    }

    private long quantile(double q) {
        long rest = (long) Math.ceil(q * Arrays.stream(counts).sum());
        for (int i = 0; i < BUCKETS; i++) {
            rest -= counts[i];
            if (rest <= 0 && counts[i] > 0) return Math.min(upper(i), max);
        }
        return max;
    }

    String percentiles() {
        return String.format("{\"count\":%d,\"p50\":%d,\"p99\":%d,\"p999\":%d,\"p9999\":%d,\"max\":%d}",
            Arrays.stream(counts).sum(), quantile(0.5), quantile(0.99), quantile(0.999), quantile(0.9999), max);
    }

    /** Writes every used bucket: nanoseconds, tab, count. */
    void write(Path path) throws IOException {
        var text = new StringBuilder();
        for (int i = 0; i < BUCKETS; i++) {
            if (counts[i] > 0) text.append(upper(i)).append('\t').append(counts[i]).append('\n');
        }
        Files.writeString(path, text);
    }
}
