/** Small trees made, read, dropped and replaced in a large live heap: see ../../src/workloads/churn.rs. */
final class Churn {
    private static final int TREE_BYTES = 7 * 48, DEPTH = 2;

    private static final class Node {
        final Node left, right;
        final long a, b, c, d;

        Node(long number, long place, int depth) {
            left = depth > 0 ? new Node(number, 2 * place, depth - 1) : null;
            right = depth > 0 ? new Node(number, 2 * place + 1, depth - 1) : null;
            a = b = c = d = number + place;
        }

        long read() {
            return a + b + c + d + (left == null ? 0 : left.read()) + (right == null ? 0 : right.read());
        }
    }

    private static void expectTree(Node tree, long number) {
        long sum = tree.read(), expected = 4 * (7 * number + 28);
        if (sum != expected) Bench.expect("the sum of a tree", sum, expected);
    }

    public static void main(String[] args) throws Exception {
        var bench = new Bench("churn", args, "--live", "--ops", "--latencies");
        int trees = (int) (bench.number("--live", 256 << 20, TREE_BYTES) / TREE_BYTES);
        long ops = bench.number("--ops", 5_000_000, 1);
        var forest = new Node[trees];
        for (int i = 0; i < trees; i++) forest[i] = new Node(i, 1, DEPTH);
        bench.start();
        Times times = work(forest, ops);
        bench.stop();
        for (Node tree : forest) expectTree(tree, tree.a - 1);
        bench.report(ops, ops + " trees read right, " + trees + " trees whole at the end", times);
    }

    private static Times work(Node[] forest, long ops) {
        var random = new Xorshift();
        var times = new Times();
        for (long number = 0; number < ops; number++) {
            expectTree(new Node(number, 1, DEPTH), number);
            forest[random.below(forest.length)] = new Node(number, 1, DEPTH);
            times.lap();
        }
        return times;
    }
}
