//! Label selectors: `{service_name="a", pod=~"b.*", pid!="1"}` becomes a condition over `stack_samples`.

use std::iter::Peekable;
use std::str::Chars;

use super::labels;
use crate::flamegraph::literal;

/// A profile type and a selector in one, as `/pyroscope/render` has them.
pub fn query(text: &str) -> Result<(&str, String), String> {
    let at = text.find('{').unwrap_or(text.len());
    Ok((text[..at].trim(), condition(&text[at..])?))
}

/// What several selectors ask for: each of them.
pub fn all(texts: &[String]) -> Result<String, String> {
    let conditions: Result<Vec<String>, String> = texts.iter().map(|text| Ok(format!("({})", condition(text)?))).collect();
    let conditions = conditions?;
    Ok(if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") })
}

/// The condition that a selector is; without one, all.
pub fn condition(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok("true".to_owned());
    }
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let inner = inner.ok_or_else(|| format!("a selector stands in braces: {text}"))?;
    let (mut chars, mut conditions) = (inner.chars().peekable(), vec![]);
    loop {
        skip_blanks(&mut chars);
        if chars.peek().is_none() {
            break;
        }
        conditions.push(matcher(&mut chars).ok_or_else(|| format!("no selector: {text}"))?);
        skip_blanks(&mut chars);
        match chars.next() {
            None => break,
            Some(',') => {}
            Some(other) => return Err(format!("a comma is missing before {other}: {text}")),
        }
    }
    Ok(if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") })
}

fn skip_blanks(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

/// `name="value"`, with `=`, `!=`, `=~` or `!~`.
fn matcher(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':')) {
        name.push(c);
    }
    skip_blanks(chars);
    let operator = match (chars.next()?, chars.next_if(|c| matches!(c, '=' | '~'))) {
        ('=', None) => "=",
        ('!', Some('=')) => "<>",
        ('=', Some('~')) => "~",
        ('!', Some('~')) => "!~",
        _ => return None,
    };
    skip_blanks(chars);
    let value = quoted(chars)?;
    // an expression matches whole values
    let value = if operator.ends_with('~') { format!("^(?:{value})$") } else { value };
    (!name.is_empty()).then(|| format!("{} {operator} {}", labels::expression(&name), literal(&value)))
}

/// A text in quotes of either kind, with escapes, or in backquotes, as it is.
fn quoted(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let quote = chars.next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let mut value = String::new();
    loop {
        match chars.next()? {
            c if c == quote => return Some(value),
            '\\' if quote != '`' => value.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                c @ ('\\' | '"' | '\'') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_conditions() {
        let label = labels::expression;
        assert_eq!(condition("").as_deref(), Ok("true"));
        assert_eq!(condition(" { } ").as_deref(), Ok("true"));
        assert_eq!(condition(r#"{pod="a"}"#), Ok(format!("{} = 'a'", label("pod"))));
        assert_eq!(
            condition(r#"{ pod != "it's" , pid=~"1|2", host !~ `\d`, }"#),
            Ok(format!("{} <> 'it''s' AND {} ~ '^(?:1|2)$' AND {} !~ '^(?:\\d)$'", label("pod"), label("pid"), label("host")))
        );
        assert_eq!(condition(r#"{unknown="\"\\\n"}"#), Ok("'' = '\"\\\n'".to_owned()));
        assert_eq!(condition(r"{unknown='\'a'}"), Ok("'' = '''a'".to_owned()));
        assert_eq!(query(r#"a:b{pod="x"}"#), Ok(("a:b", format!("{} = 'x'", label("pod")))));
        assert_eq!(query("a:b"), Ok(("a:b", "true".to_owned())));
        assert_eq!(all(&[]).as_deref(), Ok("true"));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "pod",
            "{pod}",
            "{pod=}",
            "{pod=a}",
            r#"{pod="a}"#,
            r#"{pod="a" pid="1"}"#,
            r#"{="a"}"#,
            r#"{a=="b"}"#,
            r#"{a="\x"}"#,
        ] {
            assert!(condition(text).is_err(), "{text}");
        }
    }
}
