#!/bin/sh
# Real jobs under `reclaim run -m`: each with a limit that holds, and its right result, and with one that kills.
#
#     sh tests/cli/real.sh path/to/reclaim
set -u

. "$(dirname "$0")/common.sh"

TMPDIR=$work # the compiler's files, which nobody removes when it is killed
export TMPDIR

# holds NAME RESULT COMMAND...: below 512 MiB it ends well, and says RESULT
holds() {
    wanted=$2
    check "$1, a limit that holds" 0 "$reclaim" run -m 512M --report "$work/report" sh -c "$3" && silent && same out "$wanted"
    cp "$work/report" "$work/out"
    says out '"outcome":"exited","exit_code":0'
    says out '"memory_limit_bytes":536870912'
}

# kills NAME LIMIT COMMAND...: over it, it is ended with a sentence, and says nothing
kills() {
    check "$1, a limit that kills" 137 "$reclaim" run -m "$2M" --report "$work/report" sh -c "$3" &&
        says err "killed: over its memory limit of $2.0 MiB (peak " && same out ""
    cp "$work/report" "$work/out"
    says out '"outcome":"memory-limit","exit_code":137,"signal":9'
    says out "\"memory_limit_bytes\":$(($2 * 1048576))"
}

cat >"$work/build.sql" <<END
CREATE TABLE words AS
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 400000)
    SELECT n, hex(randomblob(40)) AS word FROM numbers;
CREATE INDEX by_word ON words(word);
SELECT count(*), sum(n), count(DISTINCT word) FROM words;
END
database="exec sqlite3 :memory: <$work/build.sql"
holds "a database in memory" "400000|80000200000|400000" "$database"
kills "a database in memory" 32 "$database"

awk 'BEGIN {
    printf "["
    for (i = 0; i < 200000; i++)
        printf "%s{\"id\": %d, \"name\": \"item %d\", \"tags\": [\"a\", \"b\", \"%d\"]}", i ? ",\n" : "", i, i, i
    print "]"
}' >"$work/items.json"
parser="exec python3 -c 'import json; items = json.load(open(\"$work/items.json\"))
print(len(items), sum(item[\"id\"] for item in items), items[-1][\"tags\"][2])'"
holds "a large JSON" "200000 19999900000 199999" "$parser"
kills "a large JSON" 40 "$parser"

awk 'BEGIN {
    print "#include <stdio.h>"
    for (i = 0; i < 1500; i++)
        printf "int f%d(int n) { int s = 0; for (int i = 0; i < n; i++) s += i %% 3 ? %d : s / (i + 1) + %d; return s; }\n", i, i, i
    print "int main(void) { int s = 0;"
    for (i = 0; i < 1500; i++)
        printf "s += f%d(1);\n", i
    print "return printf(\"%d\\n\", s) < 0; }"
}' >"$work/many.c"
compiler="gcc -O1 -o $work/many $work/many.c && $work/many"
holds "a large C file" 1124250 "$compiler"
rm -f "$work/many"
kills "a large C file" 60 "$compiler"
count=$((count + 1))
[ ! -e "$work/many" ] || {
    echo "FAILED: $name: there is a program"
    failed=$((failed + 1))
}

finish
