// Structures, strings, slices, enumerations and methods of Rust, without its standard library, so
// that the program is small.
#![no_std]
#![no_main]
extern crate alloc;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};

pub mod stock {
    use alloc::string::String;

    #[derive(Clone, Copy, PartialEq)]
    pub enum Colour { Red, Green = 5, Blue }

    pub enum Shape {
        Empty,
        Circle { radius: f64 },
        Square(u32),
        Named(String, Colour),
    }

    pub struct Point { pub x: i32, pub y: i32 }

    pub trait Area { fn area(&self) -> f64; }

    impl Area for Shape {
        #[inline(never)]
        fn area(&self) -> f64 {
            match self {
                Shape::Empty => 0.0,
                Shape::Circle { radius } => radius * radius * 3.0,
                Shape::Square(n) => (*n * *n) as f64,
                Shape::Named(s, _) => s.len() as f64,
            }
        }
    }

    impl Point {
        #[inline(never)]
        pub fn shift(&mut self, dx: i32, dy: i32) -> i32 {
            self.x += dx;
            self.y += dy;
            self.x * self.y
        }
    }

    #[inline(never)]
    pub fn paint(shape: &Shape, colour: Colour, name: &str) -> Option<u32> {
        match shape {
            Shape::Square(n) => Some(n + name.len() as u32),
            Shape::Named(s, c) if *c == colour => Some(s.len() as u32),
            _ => None,
        }
    }
}

use stock::{paint, Area, Colour, Point, Shape};

pub struct Config<'a> {
    pub name: String,
    pub tags: Vec<String>,
    pub label: &'a str,
    pub limit: Option<u64>,
    pub ratio: f32,
    pub on: bool,
    pub key: char,
    pub parent: Option<Box<Point>>,
}

#[inline(never)]
pub fn configure(c: &Config, numbers: &[i32], data: Vec<u16>, pair: (u8, i64)) -> Result<usize, String> {
    if c.on {
        let all = numbers.iter().sum::<i32>() as i64 + data.len() as i64 + pair.1;
        Ok(all as usize + pair.0 as usize)
    } else {
        Err(c.name.clone())
    }
}

#[inline(never)]
pub fn generic<T: Copy + Into<i64>>(a: T, b: T) -> i64 { a.into() + b.into() }

#[inline(never)]
pub fn wide(f: fn(i32) -> i32, n: i32, u: u128, unit: (), few: [u8; 6], many: [u8; 12], r: Result<u32, ()>) -> i128 {
    black_box(unit);
    f(n) as i128 + u as i128 + few[0] as i128 + many[11] as i128 + r.unwrap_or(0) as i128
}

#[inline(never)]
pub fn shared(r: Rc<Point>, s: Option<&str>, either: Result<u64, Box<Point>>, area: &dyn Area) -> (u8, f64) {
    let held = either.unwrap_or_else(|p| p.y as u64);
    ((r.x as u8) + s.map_or(0, |t| t.len() as u8), area.area() + held as f64)
}

fn double(n: i32) -> i32 { n * 2 }

#[inline(never)]
pub fn text(n: usize) -> String { "ab".repeat(n) }

#[inline(never)]
pub fn rest(v: &[u16]) -> &[u16] { &v[1..] }

fn run() {
    let config = Config {
        name: "conf".to_string(), tags: vec!["a".into(), "bc".into()], label: "label", limit: Some(7),
        ratio: 1.5, on: true, key: 'é', parent: Some(Box::new(Point { x: 3, y: 4 })),
    };
    black_box(configure(&config, &[1, -2, 3], vec![10, 20], (9, -1)).is_ok());
    let other = Config { on: false, name: "off".to_string(), ..config };
    black_box(configure(&other, &[], vec![], (0, 0)).is_ok());
    let shapes = [Shape::Empty, Shape::Circle { radius: 2.5 }, Shape::Square(6), Shape::Named("me".to_string(), Colour::Blue)];
    for each in shapes.iter() {
        black_box(paint(each, Colour::Blue, "paint"));
    }
    black_box((paint(&shapes[0], Colour::Red, ""), Colour::Green));
    black_box(Point { x: 1, y: 2 }.shift(3, -4));
    black_box((generic(3i32, 4i32), generic(-3i8, 4i8)));
    black_box(wide(double, 21, 1 << 70, (), [1, 2, 3, 4, 5, 6], [9; 12], Ok(8)));
    let point = || Box::new(Point { x: 7, y: 8 });
    black_box(shared(Rc::new(Point { x: 9, y: 10 }), Some("some"), Err(point()), &shapes[2]));
    black_box(shared(Rc::new(Point { x: 11, y: 12 }), None, Ok(13), &shapes[1]));
    black_box((text(3).len(), rest(&[1, 2, 3]).len()));
}

struct Heap;

static mut SPACE: [u64; 4096] = [0; 4096];
static USED: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let at = USED.fetch_add((layout.size() + 15) & !15, Ordering::Relaxed);
        (core::ptr::addr_of_mut!(SPACE) as *mut u8).add(at)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Heap = Heap;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { exit(1) }

fn exit(status: u64) -> ! {
    unsafe { core::arch::asm!("svc 0", in("x8") 94, in("x0") status, options(noreturn)) }
}

#[no_mangle]
pub extern "C" fn rust_eh_personality() {}

// What compilers call; written so that it does not become a call of itself.
#[no_mangle]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    for at in 0..size {
        core::ptr::write_volatile(to.add(at), *from.add(at));
    }
    to
}

#[no_mangle]
pub unsafe extern "C" fn memset(to: *mut u8, value: i32, size: usize) -> *mut u8 {
    for at in 0..size {
        core::ptr::write_volatile(to.add(at), value as u8);
    }
    to
}

#[no_mangle]
pub extern "C" fn _start() -> ! {
    run();
    exit(0)
}
