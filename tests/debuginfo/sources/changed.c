/* A function that nobody else can call: compilers leave out what it need not be given, and a result that is not used. */
struct pair { int a; long b; };

__attribute__((noinline)) static int cut(const struct pair *unused, int n, struct pair *p)
{
	p->b += n;
	return (int)p->b * 3;
}

int main(int argc, char **argv)
{
	struct pair p = {1, argc};
	cut(0, argc + 3, &p);
	cut(&p, argc + 4, &p);
	return p.b != 10;
}
