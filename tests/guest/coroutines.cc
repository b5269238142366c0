/* Coroutines in coroutines, one of which ends by an exception; calls are made from their bodies. */
#include <coroutine>
#include <cstdio>
#include <exception>

#define OUT_OF_LINE __attribute__((noinline, noclone))
#define NO_TAIL_CALL __asm__ volatile("" ::: "memory")

extern "C" OUT_OF_LINE int leaf(int n)
{
	NO_TAIL_CALL;
	return n + 1;
}

extern "C" OUT_OF_LINE int deep(int n)
{
	int found = n ? deep(n - 1) : leaf(0);

	NO_TAIL_CALL;
	return found + 1;
}

struct made {
	struct promise_type {
		int value;
		std::exception_ptr error;
		made get_return_object()
		{
			return {std::coroutine_handle<promise_type>::from_promise(*this)};
		}
		std::suspend_always initial_suspend() { return {}; }
		std::suspend_always final_suspend() noexcept { return {}; }
		std::suspend_always yield_value(int v)
		{
			value = v;
			return {};
		}
		void return_void() {}
		void unhandled_exception() { error = std::current_exception(); }
	};
	std::coroutine_handle<promise_type> body;

	bool next()
	{
		body.resume();
		if (body.done() && body.promise().error)
			std::rethrow_exception(body.promise().error);
		return !body.done();
	}
};

OUT_OF_LINE made numbers(int n)
{
	for (int i = 0; i < n; i++)
		co_yield deep(i);
	if (n > 3)
		throw n;
}

OUT_OF_LINE made both(int n)
{
	made one = numbers(n), other = numbers(n - 1);

	while (one.next()) {
		co_yield leaf(one.body.promise().value);
		other.next();
	}
}

extern "C" OUT_OF_LINE int drain(made *all)
{
	int sum = 0;

	try {
		while (all->next())
			sum += leaf(all->body.promise().value);
	} catch (int n) {
		sum += leaf(n);
	}
	all->body.destroy();
	return sum;
}

int main()
{
	made all = both(4), few = numbers(2);

	std::printf("%d\n", drain(&all));
	std::printf("%d\n", drain(&few));
	return 0;
}
