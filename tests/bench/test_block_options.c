/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options of the commands that work on the block. */
#include "bench/commands/block_options.h"

#include "tests/bench/kit.h"

static bool parse(const char *const words[], bool scaling, block_options *options) {
    char *argv[MOST_WORDS + 2] = {(char *)"test"};
    int argc = 1;
    for (; words[argc - 1]; argc++) argv[argc] = (char *)words[argc - 1];
    return block_options_parse(argc, argv, "", scaling, options);
}

START_TEST(TheDefaultIsTheBlockOfTheReadme) {
    block_options o;
    memset(&o, 0xff, sizeof o);
    ck_assert(parse((const char *const[]){NULL}, true, &o));
    ck_assert(o.shape.batch == 4 && o.shape.tokens == 512 && o.shape.width == 768 && o.shape.heads == 12);
    ck_assert(o.shape.mask.kind == HL_MASK_NONE && o.shape.mask.window == 0 && !o.common.no_scaling);
    ck_assert(!o.common.profile);
    ck_assert(o.common.threads == 0 && o.common.repetitions == 10 && o.common.json == NULL);
}
END_TEST

START_TEST(EveryOptionReachesTheShape) {
    block_options o;
    ck_assert(parse(WORDS("--batch=1", "--tokens=2", "--width=12", "--heads=6", "--mask=window", "--window=3",
                          "--policy=levels", "--no-scaling", "--profile", "--threads=7"),
                    true, &o));
    ck_assert(o.shape.batch == 1 && o.shape.tokens == 2 && o.shape.width == 12 && o.shape.heads == 6);
    ck_assert(o.shape.mask.kind == HL_MASK_WINDOW && o.shape.mask.window == 3);
    ck_assert(o.common.policy == BENCH_POLICY_LEVELS && o.common.no_scaling && o.common.threads == 7);
    ck_assert(o.common.profile);
    json_t *described = bench_options_describe(&o.line);
    ck_assert(number_of(described, "heads") == 6 && number_of(described, "window") == 3);
    ck_assert_str_eq(json_string_value(key_of(described, "mask")), "window");
    json_decref(described);
}
END_TEST

START_TEST(HeadsDivideTheWidth) {
    check_refused(WORDS("block", "--width", "10", "--heads", "3"),
                  "hl-bench block: 3 heads do not divide the width 10");
    check_refused(WORDS("ops", "--heads", "7"), "hl-bench ops: 7 heads do not divide the width 768");
    check_refused(WORDS("ops", "--no-scaling"), "unrecognized option '--no-scaling'");
    check_refused(WORDS("ops", "--profile"), "unrecognized option '--profile'");
}
END_TEST

int main(void) {
    return run_tests("block_options",
                     TESTS(TheDefaultIsTheBlockOfTheReadme, EveryOptionReachesTheShape, HeadsDivideTheWidth));
}
