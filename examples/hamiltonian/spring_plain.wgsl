// Forecasts by the learned vector field, judged by the true energy.
struct State { q: f32, p: f32 }
struct Output { energy: f32 }

fn physics(s: State) -> State { return State(0.0, 0.0); }

fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.q, s.p); }

fn rhs(s: State, plain: array<f32, 2>) -> State { return State(plain[0], plain[1]); }

fn observe(s: State) -> Output { return Output(s.q * s.q + s.p * s.p); }
