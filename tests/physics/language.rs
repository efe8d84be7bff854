//! Statements, values and memory.

use super::{check, check_with, value};

#[test]
fn scalars_and_literals() {
    // A literal means its f32 value.
    assert_eq!(value("return 0.1;", [0.0; 3]), f64::from(0.1f32));
    check("return x + y * z - x / 2.0;", |x, y, z| x + y * z - x / 2.0);
    check("return -x % 0.75;", |x, _, _| -x % 0.75);
    check("let n = 7 / 2; let m = -7 % 4; return x + f32(n * 10 + m);", |x, _, _| x + 27.0);
    check("let u = 3u - 5u; return f32(u) * 1e-9;", |_, _, _| f64::from(4294967294u32 as f32) * 1e-9);
    check("let big = 2147483647; var n = big; n += 1; return f32(n) * 1e-9;", |_, _, _| -2147483648.0 * 1e-9);
    check("let b = (6u & 3u) | (1u << 4u) ^ 1u; return f32(b);", |_, _, _| 19.0);
    check("var n = 6; n <<= 2u; n >>= 1u; n = ~n; return f32(n);", |_, _, _| -13.0);
}

#[test]
fn run_time_integers() {
    check("let n = i32(x); return f32(n);", |x, _, _| x.trunc());
    check("let n = i32(x * 3.0); return f32(n / 2);", |x, _, _| ((x * 3.0).trunc() / 2.0).trunc());
    check("let n = i32(x * 3.0); return f32(n % 3);", |x, _, _| (x * 3.0).trunc() % 3.0);
    check("return f32(u32(x));", |x, _, _| x.trunc().max(0.0));
    check("return f32(max(i32(x), 1) + abs(i32(z)));", |x, _, z| x.trunc().max(1.0) + z.trunc().abs());
    check("return f32(u32(i32(x)) > 100u);", |x, _, _| if x <= -1.0 { 1.0 } else { 0.0 });
}

#[test]
fn booleans() {
    check("return f32(x > 0.0);", |x, _, _| f64::from(u8::from(x > 0.0)));
    check(
        "let a = x > 0.0; let b = y >= 1.0; return select(1.0, 2.0, a && b) + select(0.0, 4.0, a || !b);",
        |x, y, _| (if x > 0.0 && y >= 1.0 { 2.0 } else { 1.0 }) + if x > 0.0 || y < 1.0 { 4.0 } else { 0.0 },
    );
    check(
        "var flag = false; if x > 0.0 { flag = true; } else if y > 1.0 { flag = z > 0.0; } return f32(flag);",
        |x, y, z| f64::from(u8::from(if x > 0.0 { true } else { y > 1.0 && z > 0.0 })),
    );
    check(
        "let p = x > 0.0; let q = y > 0.0; return f32(p == q) + 2.0 * f32(p != q) + 4.0 * f32(p & q) + 8.0 * f32(p | q);",
        |x, y, _| {
            let (p, q) = (x > 0.0, y > 0.0);
            [p == q, p != q, p & q, p | q]
                .iter()
                .zip([1.0, 2.0, 4.0, 8.0])
                .map(|(&b, w)| f64::from(u8::from(b)) * w)
                .sum()
        },
    );
    check(
        "let c = vec3<f32>(x, y, z) > vec3<f32>(0.0); return f32(any(c)) + 2.0 * f32(all(c)) + 4.0 * f32(c.y);",
        |x, y, z| {
            let c = [x > 0.0, y > 0.0, z > 0.0];
            [c.iter().any(|b| *b), c.iter().all(|b| *b), c[1]]
                .iter()
                .zip([1.0, 2.0, 4.0])
                .map(|(&b, w)| f64::from(u8::from(b)) * w)
                .sum()
        },
    );
    check("let v = select(vec2(x, y), vec2(z, 1.0), vec2(x < y, y < z)); return v.x * 10.0 + v.y;", |x, y, z| {
        (if x < y { z } else { x }) * 10.0 + if y < z { 1.0 } else { y }
    });
    check("return f32(bool(x - 1.0)) + f32(bool(i32(x)));", |x, _, _| {
        f64::from(u8::from(x != 1.0)) + f64::from(u8::from(x.trunc() != 0.0))
    });
}

#[test]
fn vectors_and_swizzles() {
    check(
        "let v = vec3<f32>(x, y, z); let w = v.zyx + v.xxy * 2.0; return w.x + 10.0 * w.y + 100.0 * w.z;",
        |x, y, z| (z + 2.0 * x) + 10.0 * (y + 2.0 * x) + 100.0 * (x + 2.0 * y),
    );
    check(
        "var v = vec4f(x, vec2f(y, z), 1.0); v.y += 3.0; v[3] *= x; v.r = -v.g; return dot(v, vec4f(1., 2., 3., 4.));",
        |x, y, z| -(y + 3.0) + 2.0 * (y + 3.0) + 3.0 * z + 4.0 * x,
    );
    check("let v = 2.0 / vec2(x + 5.0, y + 5.0) - 1.0; return v.x - v.y;", |x, y, _| 2.0 / (x + 5.0) - 2.0 / (y + 5.0));
    check(
        "var v = vec3(x, y, z); let i = i32(abs(x)) % 3; v[i] = 10.0; return v.x + 2.0 * v.y + 4.0 * v.z + 100.0 * v[i];",
        |x, y, z| {
            let mut v = [x, y, z];
            v[(x.abs().trunc() as usize) % 3] = 10.0;
            v[0] + 2.0 * v[1] + 4.0 * v[2] + 1000.0
        },
    );
    check("let v = vec3(x, y, z); return v[u32(abs(y))];", |x, y, z| [x, y, z][(y.abs() as usize).min(2)]);
}

#[test]
fn matrices() {
    let setup =
        "let m = mat2x2<f32>(x, y, z, 1.0); let n = mat2x2f(vec2f(1.0, x), vec2f(2.0, y)); let v = vec2f(y, z);";
    let run = |body: &str, meaning: &dyn Fn(f64, f64, f64) -> f64| check(&format!("{setup} {body}"), meaning);
    run("let r = m * v; return r.x + 10.0 * r.y;", &|x, y, z| (x * y + z * z) + 10.0 * (y * y + z));
    run("let r = v * m; return r.x + 10.0 * r.y;", &|x, y, z| (y * x + z * y) + 10.0 * (y * z + z));
    run("let r = m * n; return r[0].x + 10.0 * r[0].y + 100.0 * r[1].x + 1000.0 * r[1][1];", &|x, y, z| {
        (x + z * x) + 10.0 * (y + x) + 100.0 * (2.0 * x + z * y) + 1000.0 * (2.0 * y + y)
    });
    run("let r = 2.0 * m - n + n * 3.0; return r[0].x + 10.0 * r[1].y;", &|x, y, _| {
        2.0 * x + 2.0 + 10.0 * (2.0 + 2.0 * y)
    });
    run("return determinant(m);", &|x, y, z| x - z * y);
    run("let r = transpose(m); return r[0].y + 10.0 * r[1].x;", &|_, y, z| z + 10.0 * y);
    check(
        "var m = mat3x2f(); m[1] = vec2f(x, y); m[2].y = z; m[1][0] += 1.0; let t = transpose(m) * vec2f(1.0, 2.0); return t.x + 10.0 * t.y + 100.0 * t.z;",
        |x, y, z| 10.0 * (x + 1.0 + 2.0 * y) + 200.0 * z,
    );
    check("return determinant(mat3x3f(x, 1.0, 2.0, y, 3.0, 4.0, z, 5.0, 7.0));", |x, y, z| {
        x * (3.0 * 7.0 - 4.0 * 5.0) - y * (1.0 * 7.0 - 2.0 * 5.0) + z * (1.0 * 4.0 - 2.0 * 3.0)
    });
    check("return determinant(mat4x4f(x,0.,0.,1., 0.,y,0.,0., 0.,0.,z,0., 1.,0.,0.,2.));", |x, y, z| {
        y * z * (2.0 * x - 1.0)
    });
    check("var m = mat2x2f(x, y, z, 1.0); let i = u32(x > 0.0); return m[i].x + 10.0 * m[i][i];", |x, y, z| {
        let m = [[x, y], [z, 1.0]];
        let i = usize::from(x > 0.0);
        let _ = y;
        m[i][0] + 10.0 * m[i][i]
    });
}

#[test]
fn structs_and_arrays() {
    let types = "struct Inner { a: f32, v: vec2f, flag: bool } struct Outer { list: array<Inner, 2>, k: i32 }";
    check_with(
        types,
        "var o: Outer; o.list[1] = Inner(x, vec2f(y, z), x > 0.0); o.list[0].v.y = 2.0; o.k = 3; \
         let c = o.list[1]; return c.a + 10.0 * c.v.y + 100.0 * o.list[0].v.y + f32(o.k) + 1000.0 * f32(c.flag);",
        |x, _, z| x + 10.0 * z + 203.0 + if x > 0.0 { 1000.0 } else { 0.0 },
    );
    check_with(
        types,
        "var o = Outer(); let i = i32(y > 1.0); o.list[i].v = vec2f(x, z); o.list[i].flag = true; \
         return o.list[0].v.x + 10.0 * o.list[1].v.y + 100.0 * f32(o.list[1].flag) + 1000.0 * f32(o.list[1 - i].flag);",
        |x, y, z| {
            if y > 1.0 { 10.0 * z + 100.0 } else { x }
        },
    );
    check(
        "var a = array<f32, 4>(x, y, z, 1.0); var sum = 0.0; for (var i = 0u; i < 4u; i++) { sum += a[i] * f32(i); } return sum;",
        |_, y, z| y + 2.0 * z + 3.0,
    );
    check(
        "var a = array(array(x, y), array(z, 1.0)); let i = i32(x > 0.0); let j = i32(y > 0.5); a[i][j] = 9.0; return a[0][0] + 10.0 * a[0][1] + 100.0 * a[1][0] + 1000.0 * a[1][1] + a[i][1 - j];",
        |x, y, z| {
            let mut a = [[x, y], [z, 1.0]];
            let (i, j) = (usize::from(x > 0.0), usize::from(y > 0.5));
            a[i][j] = 9.0;
            a[0][0] + 10.0 * a[0][1] + 100.0 * a[1][0] + 1000.0 * a[1][1] + a[i][1 - j]
        },
    );
}

#[test]
fn functions_and_pointers() {
    let helpers = "fn square(a: f32) -> f32 { return a * a; }\n\
        fn bump(p: ptr<function, f32>, by: f32) { *p += by; if by < 0.0 { return; } *p *= 2.0; }\n\
        fn swap(v: ptr<function, vec2f>) { let t = (*v).x; (*v).x = (*v).y; (*v).y = t; }\n\
        fn twice(p: ptr<function, f32>) { bump(p, 1.0); bump(p, 1.0); }\n\
        fn sign_of(a: f32) -> f32 { if a > 0.0 { return 1.0; } if a < 0.0 { return -1.0; } return 0.0; }";
    check_with(helpers, "return square(x + square(y));", |x, y, _| (x + y * y).powi(2));
    check_with(helpers, "var a = x; bump(&a, y); return a;", |x, y, _| if y < 0.0 { x + y } else { 2.0 * (x + y) });
    check_with(helpers, "var v = vec2f(x, y); swap(&v); return v.x + 10.0 * v.y;", |x, y, _| y + 10.0 * x);
    check_with(
        helpers,
        "var a = array<f32, 3>(x, y, z); if x > 0.0 { twice(&a[1]); } return a[0] + a[1];",
        |x, y, _| {
            if x > 0.0 { x + ((y + 1.0) * 2.0 + 1.0) * 2.0 } else { x + y }
        },
    );
    check_with(helpers, "return sign_of(x) + 10.0 * sign_of(y);", |x, y, _| {
        let s = |a: f64| {
            if a > 0.0 {
                1.0
            } else if a < 0.0 {
                -1.0
            } else {
                0.0
            }
        };
        s(x) + 10.0 * s(y)
    });
    check_with(helpers, "var a = x; let p = &a; *p = 3.0; a += y; return *p;", |_, y, _| 3.0 + y);
}

#[test]
fn branches() {
    check("if x > 0.0 { return y; } else if y > 1.0 { return z; } return x;", |x, y, z| {
        if x > 0.0 {
            y
        } else if y > 1.0 {
            z
        } else {
            x
        }
    });
    check(
        "var a = y; if x > 0.0 { a = z; if z > 0.0 { return 7.0; } a += 1.0; } else { a *= 2.0; } return a + x;",
        |x, y, z| {
            if x > 0.0 && z > 0.0 {
                7.0
            } else if x > 0.0 {
                z + 1.0 + x
            } else {
                2.0 * y + x
            }
        },
    );
    check(
        "var a = 1.0; { var a = x; a += 1.0; } if true { a = a + y; } if false { a = 99.0; } return a;",
        |_, y, _| 1.0 + y,
    );
    check(
        "switch i32(x) { case 0: { return y; } case 1, 2: { return z; } case -2: { } default: { return 5.0; } } return 6.0;",
        |x, y, z| match x.trunc() as i32 {
            0 => y,
            1 | 2 => z,
            -2 => 6.0,
            _ => 5.0,
        },
    );
    check(
        "var a = 0.0; switch i32(x) { default: { a = 1.0; } case 0 { a = y; if z > 0.0 { break; } a += 10.0; } case 1, 4 { a = z; } } return a;",
        |x, y, z| match x.trunc() as i32 {
            0 => {
                if z > 0.0 {
                    y
                } else {
                    y + 10.0
                }
            }
            1 | 4 => z,
            _ => 1.0,
        },
    );
    check("var a = 0.0; switch 3u { case 3u: { a = x; } default: { a = y; } } return a;", |x, _, _| x);
    check("let a = x; { let a = y; if a > 1.0 { return a; } } return a;", |x, y, _| if y > 1.0 { y } else { x });
}

#[test]
fn loops() {
    check("var s = 0.0; for (var i = 0; i < 5; i++) { s = s * x + f32(i); } return s;", |x, _, _| {
        (0..5).fold(0.0, |s, i| s * x + f64::from(i))
    });
    check("var s = x; var i = 0; while i < 4 { s = s * 0.5 + y; i += 1; } return s;", |x, y, _| {
        (0..4).fold(x, |s, _| s * 0.5 + y)
    });
    check("var s = 0.0; var i = 0; loop { s += x; continuing { i++; break if i >= 3; } } return s;", |x, _, _| 3.0 * x);
    check(
        "var s = 0.0; var i = 0; loop { if i == 4 { break; } if i == 2 { i++; continue; } s += f32(i) * y; continuing { i++; } } return s;",
        |_, y, _| {
            let (mut s, mut i) = (0.0, 0);
            while i != 4 {
                if i == 2 {
                    i += 2;
                    continue;
                }
                s += f64::from(i) * y;
                i += 1;
            }
            s
        },
    );
    check(
        "var s = 0.0; for (var i = 0; i < 3; i++) { for (var j = 0; j <= i; j++) { if j == 1 { continue; } s += x * f32(i * 3 + j); } } return s;",
        |x, _, _| {
            (0..3)
                .flat_map(|i| (0..=i).map(move |j| (i, j)))
                .filter(|(_, j)| *j != 1)
                .map(|(i, j)| x * f64::from(i * 3 + j))
                .sum()
        },
    );
}

#[test]
fn loops_left_by_data() {
    // Newton's square root, left when close enough.
    let newton = |mut g: f64, a: f64| {
        for _ in 0..8 {
            let next = 0.5 * (g + a / g);
            if (next - g).abs() < 0.1 {
                break;
            }
            g = next;
        }
        g
    };
    check(
        "let a = abs(x) + 1.0; var g = a; for (var i = 0; i < 8; i++) { let n = 0.5 * (g + a / g); if abs(n - g) < 0.1 { break; } g = n; } return g;",
        |x, _, _| newton(x.abs() + 1.0, x.abs() + 1.0),
    );
    check("var n = 0; for (var i = 0; i < 6; i++) { if f32(i) > y { break; } n = i; } return f32(n);", |_, y, _| {
        (0..6).take_while(|i| f64::from(*i) <= y).last().map_or(0.0, f64::from)
    });
    check(
        "var s = 0.0; for (var i = 0; i < 6; i++) { if f32(i) < y { continue; } s += f32(i); if s > 4.0 { return -s; } if s > x + 2.0 { break; } } return s;",
        |x, y, _| {
            let mut s = 0.0;
            for i in 0..6 {
                let i = f64::from(i);
                if i < y {
                    continue;
                }
                s += i;
                if s > 4.0 {
                    return -s;
                }
                if s > x + 2.0 {
                    break;
                }
            }
            s
        },
    );
    check(
        "var s = 0.0; var i = 0; loop { s += 1.0; if s > x + 2.0 { break; } continuing { i++; break if i == 5 || s > y + 2.0; } } return s;",
        |x, y, _| {
            let (mut s, mut i) = (0.0, 0);
            loop {
                s += 1.0;
                if s > x + 2.0 {
                    return s;
                }
                i += 1;
                if i == 5 || s > y + 2.0 {
                    return s;
                }
            }
        },
    );
    check(
        "var s = 0.0; for (var i = 0; i < 4; i++) { switch i32(x) { case 0: { if i == 1 { continue; } s += 1.0; } case 1: { s += 10.0; if y > 1.0 { break; } s += 5.0; } default: { if z > 0.0 { return s; } } } s += 100.0; } return s;",
        |x, y, z| {
            let mut s = 0.0;
            for i in 0..4 {
                match x.trunc() as i32 {
                    0 => {
                        if i == 1 {
                            continue;
                        }
                        s += 1.0;
                    }
                    1 => {
                        s += 10.0;
                        if y <= 1.0 {
                            s += 5.0;
                        }
                    }
                    _ => {
                        if z > 0.0 {
                            return s;
                        }
                    }
                }
                s += 100.0;
            }
            s
        },
    );
    check(
        "var s = 0.0; for (var i = 0; i < 3; i++) { for (var j = 0; j < 3; j++) { if f32(i + j) > y { break; } if x * f32(j) > 2.0 { continue; } s += f32(1 + i * 3 + j); if s > 20.0 { return s * 2.0; } } if z > 3.0 { break; } s += 0.5; } return s;",
        |x, y, z| {
            let mut s = 0.0;
            for i in 0..3 {
                for j in 0..3 {
                    if f64::from(i + j) > y {
                        break;
                    }
                    if x * f64::from(j) > 2.0 {
                        continue;
                    }
                    s += f64::from(1 + i * 3 + j);
                    if s > 20.0 {
                        return s * 2.0;
                    }
                }
                if z > 3.0 {
                    break;
                }
                s += 0.5;
            }
            s
        },
    );
    // Early return inside a loop in a helper that writes through a pointer.
    check_with(
        "fn find(p: ptr<function, i32>, limit: f32) -> bool { for (var i = 0; i < 4; i++) { *p = i; if f32(i) > limit { return true; } } return false; }",
        "var at = -1; let found = find(&at, y); return f32(at) + 10.0 * f32(found);",
        |_, y, _| (0..4).find(|i| f64::from(*i) > y).map_or(3.0, |i| f64::from(i) + 10.0),
    );
}

#[test]
fn constants() {
    let module = "const N = 4; const RATE: f32 = 0.5; const TABLE = array<f32, N>(1.0, 2.0, 4.0, 8.0); const V = vec2f(1.0, 2.0) * 3.0; const HALF_PI = 3.14159265358979 / 2.0; struct Pair { a: f32, b: f32 } const PAIR = Pair(3.0, RATE);";
    check_with(
        module,
        "var s = 0.0; for (var i = 0; i < N; i++) { s += TABLE[i] * x; } return s * RATE + V.y + PAIR.b;",
        |x, _, _| 7.5 * x + 6.5,
    );
    check_with(module, "return TABLE[clamp(i32(y), 0, N - 1)];", |_, y, _| [1.0, 2.0, 4.0, 8.0][(y as usize).min(3)]);
    check_with(module, "const LOCAL = N * 2; return f32(LOCAL) + sin(HALF_PI * x);", |x, _, _| {
        8.0 + (std::f64::consts::FRAC_PI_2 * x).sin()
    });
    check_with("alias Real = f32; alias Pair2 = vec2<Real>;", "let p = Pair2(x, y); return Real(p.y);", |_, y, _| y);
}
