//! Which commands the server answers: `CLIENT REPLY` and what undoes it.

use super::command::Command;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Mode {
    #[default]
    On,
    Off,
    /// Not the next command.
    Skip,
}

#[derive(Debug, Default)]
pub struct Replying {
    mode: Mode,
    /// Commands are queued by the server until EXEC, and not obeyed.
    multi: bool,
}

impl Replying {
    /// Whether the server answers this command, which is the next.
    pub fn answers(&mut self, command: &Command) -> bool {
        match command.word() {
            b"MULTI" => self.multi = true,
            b"EXEC" | b"DISCARD" => self.multi = false,
            b"RESET" => *self = Self::default(),
            b"CLIENT" if !self.multi && command.argument_is(0, "REPLY") => {
                if command.argument_is(1, "ON") {
                    self.mode = Mode::On;
                } else if command.argument_is(1, "OFF") {
                    self.mode = Mode::Off;
                    return false;
                } else if command.argument_is(1, "SKIP") {
                    if self.mode == Mode::On {
                        self.mode = Mode::Skip;
                    }
                    return false;
                }
            }
            _ => {}
        }
        if self.mode == Mode::Skip {
            self.mode = Mode::On;
            return false;
        }
        self.mode == Mode::On
    }

    /// A reply came although none was awaited: the server did not obey.
    pub fn answered_unasked(&mut self) {
        if self.mode == Mode::Off {
            self.mode = Mode::On;
        }
    }
}
