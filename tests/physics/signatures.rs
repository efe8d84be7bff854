//! Records, roles and recognised functions.

use super::{context, parse};
use greybox::physics::{Argument, Context, Module, Role};

fn arguments(list: &[(Role, usize)]) -> Vec<Argument> {
    list.iter().map(|(role, width)| Argument { role: role.clone(), width: *width }).collect()
}

#[test]
fn records_flatten_in_declaration_order() {
    let text = "struct Part { mass: f32, at: vec2<f32> }
struct State { angle: f32, pos: vec3f, a: array<f32, 2>, m: mat2x3<f32>, part: Part, parts: array<Part, 2> }
struct Theta { v: vec4f }
struct Input { u: f32 }
struct Output { angle: f32 }
fn physics(s: State) -> State { return s; }";
    let module = parse(text, &[]);
    let names = "angle pos.x pos.y pos.z a[0] a[1] m[0].x m[0].y m[0].z m[1].x m[1].y m[1].z part.mass part.at.x part.at.y \
                 parts[0].mass parts[0].at.x parts[0].at.y parts[1].mass parts[1].at.x parts[1].at.y";
    assert_eq!(module.state.names, names.split_whitespace().collect::<Vec<_>>());
    assert_eq!(module.state.width(), 21);
    assert_eq!(module.theta.as_ref().unwrap().names, ["v.x", "v.y", "v.z", "v.w"]);
    assert_eq!(module.input.as_ref().unwrap().names, ["u"]);
    assert_eq!(module.output.as_ref().unwrap().names, ["angle"]);
    assert_eq!(module.observed().names, ["angle"]);
    let identity: Vec<f64> = (0..21).map(f64::from).collect();
    assert_eq!(module.physics().function.eval(&identity), identity);
    assert_eq!(module.physics().outputs, 21);
}

#[test]
fn a_minimal_text_needs_only_state_and_physics() {
    let module = parse("struct State { x: f32 } fn physics() -> State { return State(1.0); }", &["g"]);
    assert!(module.theta.is_none() && module.input.is_none() && module.output.is_none());
    assert!(module.features("g").is_none() && module.rhs().is_none() && module.observe().is_none());
    assert!(module.initial().is_none() && module.control().is_none());
    assert_eq!(module.physics().arguments, []);
    assert_eq!(module.observed(), &module.state);
}

#[test]
fn roles_go_by_type_and_name_in_any_order() {
    let text = "struct State { x: f32, y: f32 } struct Theta { p: vec3f } struct Input { u: f32 } struct Output { y: f32 }
fn physics(t: f32, parameters: Theta, now: State, drive: Input) -> State { return State(t, parameters.p.z * now.y + drive.u); }
fn features_ab(f: State, s: State) -> vec2f { return vec2f(f.x, s.y); }
fn features_cd(s: State) -> f32 { return s.x; }
fn rhs(cd: array<f32, 2>, s: State, ab: array<f32, 3>, f: State) -> State { return State(f.x + ab[2], s.y + cd[1]); }
fn observe(s: State, ab: array<f32, 1>) -> Output { return Output(s.x + ab[0]); }
fn initial(first: Output, u: Input, theta: Theta) -> State { return State(first.y, u.u * theta.p.x); }
fn control(theta: Theta) -> Input { return Input(theta.p.y); }";
    let module = parse(text, &["ab", "cd"]);
    let network = |name: &str| Role::Network(name.to_string());
    assert_eq!(
        module.physics().arguments,
        arguments(&[(Role::Time, 1), (Role::Theta, 3), (Role::State, 2), (Role::Input, 1)])
    );
    assert_eq!(module.physics().function.eval(&[9.0, 0.0, 0.0, 2.0, 1.0, 3.0, 0.5]), [9.0, 6.5]);
    assert_eq!(module.features("ab").unwrap().arguments, arguments(&[(Role::Physics, 2), (Role::State, 2)]));
    assert_eq!(module.features("ab").unwrap().outputs, 2);
    assert_eq!(module.features("cd").unwrap().outputs, 1);
    let rhs = module.rhs().unwrap();
    assert_eq!(
        rhs.arguments,
        arguments(&[(network("cd"), 2), (Role::State, 2), (network("ab"), 3), (Role::Physics, 2)])
    );
    assert_eq!(rhs.function.eval(&[0.0, 1.0, 0.0, 2.0, 0.0, 0.0, 3.0, 4.0, 0.0]), [7.0, 3.0]);
    assert_eq!(module.observe().unwrap().arguments, arguments(&[(Role::State, 2), (network("ab"), 1)]));
    assert_eq!(
        module.initial().unwrap().arguments,
        arguments(&[(Role::Observation, 1), (Role::Input, 1), (Role::Theta, 3)])
    );
    assert_eq!(module.control().unwrap().arguments, arguments(&[(Role::Theta, 3)]));
}

#[test]
fn without_an_output_the_state_is_observed() {
    let text = "struct State { x: f32 } fn physics(s: State) -> State { return s; }
fn observe(s: State) -> State { return s; } fn initial(y: State) -> State { return y; }";
    let module = parse(text, &[]);
    assert_eq!(module.initial().unwrap().arguments, arguments(&[(Role::Observation, 1)]));
    assert_eq!(module.observe().unwrap().arguments, arguments(&[(Role::State, 1)]));
}

#[test]
fn grids_provide_near() {
    let text = "struct State { u: f32, v: f32 } struct Theta { a: f32 }
fn physics(s: State, near: Near, theta: Theta) -> State { return State(theta.a * near.laplacian.u, near.dx.v - near.left.u); }";
    let grid = Context { near: Some(greybox::program::Stencil::ALL.map(|s| s.name()).to_vec()), ..context(&[]) };
    let module = Module::parse("m.wgsl", text, &grid).unwrap();
    assert_eq!(module.physics().arguments, arguments(&[(Role::State, 2), (Role::Near, 14), (Role::Theta, 1)]));
    let mut input = vec![0.0; 17];
    (input[2], input[2 + 8], input[2 + 11], input[16]) = (1.0, 5.0, 7.0, 2.0);
    assert_eq!(module.physics().function.eval(&input), [10.0, 6.0]);
    // Not mentioned: not emitted.
    assert!(
        Module::parse("m.wgsl", "struct State { u: f32 } fn physics(s: State) -> State { return s; }", &grid).is_ok()
    );
}

#[test]
fn an_alias_of_an_array_is_an_array() {
    let text =
        "alias Correction = array<f32, 2>; struct State { x: f32, y: f32 } fn physics(s: State) -> State { return s; }
fn rhs(f: State, net: Correction) -> State { return State(f.x + net[0], f.y + net[1]); }";
    let module = parse(text, &["net"]);
    assert_eq!(module.rhs().unwrap().arguments[1], Argument { role: Role::Network("net".into()), width: 2 });
}
