/* Overloads, and names that differ after 63 characters; each is called another number of times. */
namespace app
{
__attribute__((noinline)) int add(int a, int b)
{
	return a + b;
}

__attribute__((noinline)) long add(long a, long b)
{
	return a + b + 1;
}

__attribute__((noinline)) int add_with_a_name_that_goes_on_until_it_is_longer_than_63_characters_one(int a)
{
	__asm__ volatile("" : "+r"(a));
	return a;
}

__attribute__((noinline)) int add_with_a_name_that_goes_on_until_it_is_longer_than_63_characters_two(int a)
{
	__asm__ volatile("" : "+r"(a));
	return a + 1;
}
} // namespace app

int main(int argc, char **)
{
	long sum = 0;

	for (int i = 0; i < 3; i++)
		sum += app::add(i, argc);
	for (long i = 0; i < 5; i++)
		sum += app::add(i, (long)argc);
	for (int i = 0; i < 2; i++)
		sum += app::add_with_a_name_that_goes_on_until_it_is_longer_than_63_characters_one(i);
	sum += app::add_with_a_name_that_goes_on_until_it_is_longer_than_63_characters_two(1);
	return sum == 0;
}
