// Where the expressions of strangers fail.
struct point { int x, y; };
struct options { int level; const char *name; struct point at; unsigned flag : 1, mode : 3; int list[4]; void *raw; };
static int seen;

__attribute__((noinline)) int parse(const char *s, struct options *o, int n, double w)
{
    int total = n;
    for (int i = 0; i < n; i++)
        total += o->level * i + s[0] + (int)w;
    seen += total;
    return total;
}

int main(void)
{
    struct options options = {3, "first", {1, 2}, 1, 5, {1, 2, 3, 4}, 0};
    return parse("hello", &options, 2, 2.5) < 0;
}
