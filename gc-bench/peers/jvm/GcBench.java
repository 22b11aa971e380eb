/** GCBench of Ellis, Kovac and Boehm: see ../../src/workloads/gcbench.rs. */
final class GcBench {
    private static final int STRETCH_DEPTH = 18, LONG_LIVED_DEPTH = 16, ARRAY_LENGTH = 500_000;
    private static final int MIN_DEPTH = 4, MAX_DEPTH = 16;

    private static final class Node {
        Node left, right;
        int i, j;

        Node(Node left, Node right) {
            this.left = left;
            this.right = right;
        }

        static Node bottomUp(int depth) {
            return depth == 0 ? new Node(null, null) : new Node(bottomUp(depth - 1), bottomUp(depth - 1));
        }

        static Node topDown(int depth) {
            Node node = new Node(null, null);
            node.populate(depth);
            return node;
        }

        void populate(int depth) {
            if (depth == 0) return;
            left = new Node(null, null);
            right = new Node(null, null);
            left.populate(depth - 1);
            right.populate(depth - 1);
        }

        long count() {
            return 1 + (left == null ? 0 : left.count()) + (right == null ? 0 : right.count());
        }
    }

    private static long nodes(int depth) {
        return (2L << depth) - 1;
    }

    public static void main(String[] args) throws Exception {
        var bench = new Bench("gcbench", args);
        bench.start();
        Node.bottomUp(STRETCH_DEPTH);
        Node tree = Node.topDown(LONG_LIVED_DEPTH);
        double[] numbers = new double[ARRAY_LENGTH];
        for (int i = 0; i < ARRAY_LENGTH / 2; i++) numbers[i] = 1.0 / i;
        long made = 0;
        for (int depth = MIN_DEPTH; depth <= MAX_DEPTH; depth += 2) {
            long trees = 2 * nodes(STRETCH_DEPTH) / nodes(depth);
            for (long i = 0; i < trees; i++) made += sample(Node.topDown(depth), depth, i);
            for (long i = 0; i < trees; i++) made += sample(Node.bottomUp(depth), depth, i);
        }
        long kept = tree.count();
        double number = numbers[1000];
        bench.stop();
        Bench.expect("the long-lived tree's node count", kept, nodes(LONG_LIVED_DEPTH));
        if (number != 1.0 / 1000) Bench.expect("element 1000 of the long-lived array", 0, 1);
        String check = "long-lived tree of " + kept + " nodes, array[1000] = " + number;
        bench.report(made + nodes(STRETCH_DEPTH) + kept, check, null);
    }

    /** Counts the first tree of each kind; returns the nodes of a tree. */
    private static long sample(Node tree, int depth, long index) {
        if (index == 0) Bench.expect("the node count of a tree", tree.count(), nodes(depth));
        return nodes(depth);
    }
}
