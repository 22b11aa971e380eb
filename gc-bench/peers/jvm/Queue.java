import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** A ring of messages: see ../../src/workloads/queue.rs. */
final class Queue {
    private static final VarHandle NUMBER =
        MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    /** The bytes that all messages have in common. */
    private static byte[] text(int size) {
        byte[] text = new byte[size];
        for (int i = 0; i < size; i++) text[i] = (byte) i;
        return text;
    }

    private static byte[] message(byte[] text, long number) {
        NUMBER.set(text, 0, number);
        return text.clone();
    }

    private static void expectMessage(byte[] message, long number, int size) {
        boolean whole = message.length == size && (size == 8 || message[size - 1] == (byte) (size - 1));
        if (!whole || (long) NUMBER.get(message, 0) != number) {
            Bench.expect("the message out of the ring", (long) NUMBER.get(message, 0), number);
            Bench.expect("its last byte", message[size - 1], (byte) (size - 1));
        }
    }

    public static void main(String[] args) throws Exception {
        var bench = new Bench("queue", args, "--window", "--size", "--pushes", "--latencies");
        int window = (int) bench.number("--window", 200_000, 1);
        int size = (int) bench.number("--size", 1024, 8);
        long pushes = bench.number("--pushes", 5_000_000, 1);
        var ring = new byte[window][];
        byte[] text = text(size);
        for (int i = 0; i < window; i++) ring[i] = message(text, i);
        bench.start();
        Times times = push(ring, text, pushes);
        bench.stop();
        bench.report(pushes, pushes + " messages came out in order and whole", times);
    }

    private static Times push(byte[][] ring, byte[] text, long pushes) {
        var times = new Times();
        int at = 0;
        for (long pushed = 0; pushed < pushes; pushed++) {
            expectMessage(ring[at], pushed, text.length);
            ring[at] = message(text, pushed + ring.length);
            if (++at == ring.length) at = 0;
            times.lap();
        }
        return times;
    }
}
