//! Text from outside, as it may be printed.

use std::fmt::Display;

/// Text with its control characters escaped, line breaks too, and those that turn the direction of
/// writing: what a file's name or a server's answer says does not move the cursor of a terminal,
/// and stays in its line. Those of `kept` are not escaped.
pub fn printable(text: impl Display, kept: &[char]) -> String {
    let mut shown = String::new();
    for c in text.to_string().chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() || turns) && !kept.contains(&c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_line_or_moves_the_cursor() {
        let text = "a\u{1b}[2J\r\n\u{9b}b\u{202e}é \\\u{200d}";
        let line = "a\\u{1b}[2J\\r\\n\\u{9b}b\\u{202e}é \\\u{200d}";
        assert_eq!(printable(text, &[]), line);
        assert_eq!(printable("a\nb\r", &['\n']), "a\nb\\r");
    }
}
