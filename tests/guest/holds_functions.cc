// Methods of a class whose template arguments have brackets in them.
template <class T> struct Holder {
  T *last;
  __attribute__((noinline)) void put(T *value) { last = value; }
  __attribute__((noinline)) T *get() { return last; }
};

static int one(long) { return 1; }

int main() {
  Holder<int(long)> all;
  all.put(one);
  all.put(one);
  return all.get() == one ? 0 : 1;
}
