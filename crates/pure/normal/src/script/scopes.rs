//! Which variable of which function a name is: a guess from the order of tokens.
//!
//! A scope begins at the word `function` and ends where its braces balance. A name is declared by
//! standing behind `var`, as a function's own name or among its parameters, within that scope; each
//! declaration takes the next number, the last of a name in a scope counts.

use std::collections::HashMap;

use super::token::Kind;

/// What an identifier would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expect {
    #[default]
    Nothing,
    Variable,
    Initialiser,
    FunctionName,
    ParameterList,
    Parameter,
}

#[derive(Debug, Default)]
struct Scope {
    parent: Option<u32>,
    expect: Expect,
    last: Option<Kind>,
    brackets: u32,
    blocks: u32,
}

#[derive(Debug)]
pub(super) struct Scopes {
    scopes: Vec<Scope>,
    current: u32,
    symbols: HashMap<Vec<u8>, u32>,
    names: Vec<Vec<u8>>,
    /// Numbers by scope and symbol.
    numbers: HashMap<(u32, u32), u32>,
    next_number: u32,
}

impl Default for Scopes {
    fn default() -> Self {
        Self {
            scopes: vec![Scope::default()],
            current: 0,
            symbols: HashMap::new(),
            names: Vec::new(),
            numbers: HashMap::new(),
            next_number: 0,
        }
    }
}

impl Scopes {
    pub(super) fn symbol(&mut self, name: &[u8]) -> u32 {
        if let Some(symbol) = self.symbols.get(name) {
            return *symbol;
        }
        let symbol = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_vec());
        self.symbols.insert(name.to_vec(), symbol);
        symbol
    }

    pub(super) fn name(&self, symbol: u32) -> &[u8] {
        let name = usize::try_from(symbol).ok().and_then(|at| self.names.get(at));
        name.map_or(&[], Vec::as_slice)
    }

    /// Opens the scope of a function within the current one.
    pub(super) fn enter(&mut self) -> u32 {
        let scope = u32::try_from(self.scopes.len()).unwrap_or(u32::MAX);
        let parent = Some(self.current);
        self.scopes.push(Scope { parent, expect: Expect::FunctionName, ..Scope::default() });
        self.current = scope;
        scope
    }

    /// Back to the scope around the current one.
    pub(super) fn leave(&mut self) {
        if let Some(parent) = self.parent(self.current) {
            self.current = parent;
        }
    }

    pub(super) fn parent(&self, scope: u32) -> Option<u32> {
        self.scopes.get(usize::try_from(scope).ok()?)?.parent
    }

    pub(super) fn current(&self) -> u32 {
        self.current
    }

    pub(super) fn set_current(&mut self, scope: u32) {
        self.current = scope;
    }

    pub(super) fn set_last(&mut self, kind: Kind) {
        self.now().last = Some(kind);
    }

    /// Whether a name would be one behind a dot.
    pub(super) fn is_member(&mut self) -> bool {
        self.now().last == Some(Kind::Dot)
    }

    pub(super) fn identifier(&mut self, symbol: u32) {
        let scope = self.now();
        match scope.expect {
            Expect::Nothing | Expect::Initialiser | Expect::ParameterList => return,
            Expect::Variable | Expect::Parameter => {
                scope.expect = Expect::Initialiser;
                scope.brackets = 0;
            }
            Expect::FunctionName => scope.expect = Expect::ParameterList,
        }
        self.numbers.insert((self.current, symbol), self.next_number);
        self.next_number = self.next_number.saturating_add(1);
    }

    /// Counts a closing brace; true if it ends the scope.
    pub(super) fn curly_close(&mut self) -> bool {
        let scope = self.now();
        scope.blocks = scope.blocks.saturating_sub(1);
        scope.blocks == 0 && scope.parent.is_some()
    }

    /// Any other token.
    pub(super) fn see(&mut self, kind: Kind) {
        let scope = self.now();
        let is_flat = scope.brackets == 0 && scope.blocks == 0;
        match (kind, scope.expect) {
            (Kind::Var, _) => scope.expect = Expect::Variable,
            (Kind::ParenthesisOpen, Expect::FunctionName | Expect::ParameterList) => {
                scope.expect = Expect::Parameter;
            }
            (Kind::ParenthesisClose, Expect::ParameterList) => scope.expect = Expect::Nothing,
            (Kind::CurlyOpen, expect) => {
                scope.blocks = scope.blocks.saturating_add(1);
                if let Expect::FunctionName | Expect::ParameterList | Expect::Parameter = expect {
                    scope.expect = Expect::Nothing;
                }
            }
            (Kind::BracketOpen, _) => scope.brackets = scope.brackets.saturating_add(1),
            (Kind::BracketClose, _) => scope.brackets = scope.brackets.saturating_sub(1),
            (Kind::Comma, Expect::Initialiser) if is_flat => scope.expect = Expect::Variable,
            (Kind::Semicolon, _) if is_flat => scope.expect = Expect::Nothing,
            _ => (),
        }
    }

    /// The number of a name as seen from `scope`; takes one of `steps` for each scope asked.
    pub(super) fn number(&self, mut scope: u32, symbol: u32, steps: &mut usize) -> Option<u32> {
        loop {
            if let Some(number) = self.numbers.get(&(scope, symbol)) {
                return Some(*number);
            }
            *steps = steps.checked_sub(1)?;
            scope = self.parent(scope)?;
        }
    }

    #[expect(clippy::expect_used, reason = "see the message")]
    fn now(&mut self) -> &mut Scope {
        let at = usize::try_from(self.current).unwrap_or(usize::MAX);
        let at = at.min(self.scopes.len().saturating_sub(1));
        self.scopes.get_mut(at).expect("the outermost scope is never removed")
    }
}
