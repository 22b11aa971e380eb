import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** What the JVM peers have in common: the options, the measured span and the report of gc-bench. */
final class Bench {
    private final String workload;
    private final Map<String, String> options = new HashMap<>();
    private long wall, cpu;

    /** Reads `--name value` pairs; only these names are known. */
    Bench(String workload, String[] args, String... names) {
        this.workload = workload;
        var known = Set.of(names);
        for (int i = 0; i < args.length; i += 2) {
            if (!known.contains(args[i]) || i + 1 == args.length) refuse("unexpected argument " + args[i]);
            options.put(args[i], args[i + 1]);
        }
    }

    /** The number given for an option, or the usual one. */
    long number(String name, long usual, long least) {
        String text = options.get(name);
        long n = least - 1;
        try {
            n = text == null ? usual : Long.parseLong(text);
        } catch (NumberFormatException e) {
            // Refused below, as a number too small.
        }
        if (n < least) refuse(name + " must be a whole number of at least " + least);
        return n;
    }

    /** Ends the program because of its arguments. */
    static void refuse(String message) {
        System.err.println(message);
        System.exit(2);
    }

    /** Ends the program unless the result is right. */
    static void expect(String what, long actual, long expected) {
        if (actual != expected) {
            System.err.println("check failed: " + what + " is " + actual + ", must be " + expected);
            System.exit(1);
        }
    }

    /** The measured span begins. */
    void start() {
        wall = System.nanoTime();
        cpu = cpuTime();
    }

    /** The measured span ends. */
    void stop() {
        wall = System.nanoTime() - wall;
        cpu = cpuTime() - cpu;
    }

    /** Prints the JSON object; times may be null. */
    void report(long ops, String check, Times times) throws IOException {
        double seconds = wall / 1e9;
        var text = new StringBuilder(String.format(Locale.ROOT,
            "{\"workload\":\"%s\",\"params\":{},\"wall_s\":%.6f,\"cpu_s\":%.6f,\"ops\":%d,\"ops_per_s\":%.1f,"
                + "\"max_rss_bytes\":%d,\"check\":\"%s\"",
            workload, seconds, cpu / 1e9, ops, ops / seconds, peak(), check));
        if (times != null) {
            text.append(",\"op_ns\":").append(times.percentiles());
            if (options.containsKey("--latencies")) times.write(Path.of(options.get("--latencies")));
        }
        System.out.println(text.append('}'));
    }

    private static long cpuTime() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getProcessCpuTime();
    }

    /** Peak resident memory of the process, in bytes. */
    private static long peak() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
        }
        return 0;
    }
}
