/* Small trees made, read, dropped and replaced in a large live heap: see ../../src/workloads/churn.rs. */
#include "bench.h"
#include <gc.h>
#include <stdint.h>

enum { TREE_BYTES = 7 * 48, DEPTH = 2 };

/* 48 bytes: all words are the tree's number plus the node's place in the tree. */
struct node {
    struct node *left, *right;
    long words[4];
};

static struct node *build(long number, long place, int depth) {
    struct node *left = depth ? build(number, 2 * place, depth - 1) : NULL;
    struct node *right = depth ? build(number, 2 * place + 1, depth - 1) : NULL;
    struct node *node = allocated(GC_MALLOC(sizeof *node));
    long word = number + place;
    *node = (struct node){left, right, {word, word, word, word}};
    return node;
}

static long sum(const struct node *node) {
    if (!node)
        return 0;
    const long *words = node->words;
    return words[0] + words[1] + words[2] + words[3] + sum(node->left) + sum(node->right);
}

static void expect_tree(const struct node *tree, long number) {
    expect("the sum of a tree", sum(tree), 4 * (7 * number + 28));
}

/* Marsaglia's xorshift64, as in ../../src/xorshift.rs: a number in 0..n. */
static long below(uint64_t *state, long n) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % n;
}

static struct times work(struct node **forest, long trees, long ops) {
    uint64_t random = 88172645463325252;
    struct times times = begin();
    for (long number = 0; number < ops; number++) {
        expect_tree(build(number, 1, DEPTH), number);
        struct node *tree = build(number, 1, DEPTH);
        forest[below(&random, trees)] = tree;
        lap(&times);
    }
    return times;
}

int main(int argc, char **argv) {
    known(argc, argv, "--live --ops --latencies");
    long trees = option(argc, argv, "--live", 256 << 20, TREE_BYTES) / TREE_BYTES;
    long ops = option(argc, argv, "--ops", 5000000, 1);
    GC_INIT();
    struct node **forest = allocated(GC_MALLOC(trees * sizeof *forest));
    for (long i = 0; i < trees; i++)
        forest[i] = build(i, 1, DEPTH);
    struct span span = start();
    struct times times = work(forest, trees, ops);
    span = stop(span);
    for (long i = 0; i < trees; i++)
        expect_tree(forest[i], forest[i]->words[0] - 1);
    char check[128];
    snprintf(check, sizeof check, "%ld trees read right, %ld trees whole at the end", ops, trees);
    report("churn", span, ops, check, &times, text(argc, argv, "--latencies"));
}
