/** The Benchmarks Game program: see ../../src/workloads/binary_trees.rs. */
final class BinaryTrees {
    private static final int MIN_DEPTH = 4;

    private record Node(Node left, Node right) {
        static Node build(int depth) {
            return depth == 0 ? new Node(null, null) : new Node(build(depth - 1), build(depth - 1));
        }

        long count() {
            return 1 + (left == null ? 0 : left.count()) + (right == null ? 0 : right.count());
        }
    }

    private static long nodes(int depth) {
        return (2L << depth) - 1;
    }

    public static void main(String[] args) throws Exception {
        var bench = new Bench("binary-trees", args, "--depth", "--step");
        int depth = (int) bench.number("--depth", 18, 6);
        int step = (int) bench.number("--step", 2, 1);
        bench.start();
        long stretch = Node.build(depth + 1).count();
        Node longLived = Node.build(depth);
        long shortLived = 0;
        for (int d = MIN_DEPTH; d <= depth; d += step) {
            for (int tree = 0; tree < 1 << (depth - d + MIN_DEPTH); tree++) {
                long counted = Node.build(d).count();
                Bench.expect("the node count of a tree", counted, nodes(d));
                shortLived += counted;
            }
        }
        long kept = longLived.count();
        bench.stop();
        Bench.expect("the stretch tree's node count", stretch, nodes(depth + 1));
        Bench.expect("the long-lived tree's node count", kept, nodes(depth));
        String check = "stretch " + stretch + ", short-lived " + shortLived + ", long-lived " + kept + " nodes";
        bench.report(stretch + kept + shortLived, check, null);
    }
}
