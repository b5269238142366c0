// Strings, slices, interfaces, methods and several results of Go.  Everything is printed by
// println, so that little of the library is in the program.
package main

import "errors"

type Colour int

const (
	Red Colour = iota
	Green
)

type Point struct{ X, Y int32 }

type Options struct {
	Name  string
	Tags  []string
	Limit *int
	Ratio float64
	On    bool
	At    Point
}

type Shape interface{ Area() float64 }

type Square struct{ Side float64 }

type failure struct{ text string }

func (f *failure) Error() string { return f.text }

//go:noinline
func (s Square) Area() float64 { return s.Side * s.Side }

type Task struct {
	id   int
	name string
}

//go:noinline
func (t *Task) Do(n int, why string) (int, error) {
	t.id += n
	if why == "" {
		return 0, &failure{"no reason"}
	}
	return t.id, nil
}

//go:noinline
func Parse(s string, o *Options, list []int32, c Colour) (n int, ok bool) {
	n = len(s) + len(list) + int(c)
	if o.On {
		n += len(o.Tags)
		ok = true
	}
	return
}

//go:noinline
func Measure(sh Shape, scale float32, arr [3]byte, r rune) float64 {
	return sh.Area()*float64(scale) + float64(arr[1]) + float64(r)
}

//go:noinline
func Total[N int | float64](values []N) N {
	var sum N
	for _, v := range values {
		sum += v
	}
	return sum
}

//go:noinline
func Second(words []string) string { return words[1] }

//go:noinline
func Make(x, y int32) Point { return Point{x, y} }

//go:noinline
func Check(a, b uint8, c complex128, e error, any interface{}) bool {
	return a < b && real(c) > 0 && e == nil && any != nil
}

//go:noinline
func Hold(e error, any interface{}, m map[string]int) (error, int) { return e, len(m) }

func main() {
	limit := 5
	o := &Options{"opt", []string{"x", "yz"}, &limit, 0.5, true, Point{1, -2}}
	println(Parse("hello", o, []int32{1, -2, 3}, Green))
	println(Parse("", &Options{}, nil, Red))
	t := &Task{1, "tee"}
	println(t.Do(4, "because"))
	println(t.Do(4, ""))
	println(Measure(Square{3}, 1.5, [3]byte{1, 2, 3}, 'é'))
	println(Total([]int{1, 2, 3}), Total([]float64{0.5, 0.25}))
	Hold(errors.New("broken"), 42, map[string]int{"a": 1, "b": 2})
	Hold(nil, "text", nil)
	Hold(nil, true, map[string]int{})
	println(Second(o.Tags), Make(3, 4).Y, Check(1, 2, complex(1, 2), nil, t))
}
