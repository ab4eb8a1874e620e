//! What a query has to pass before anything of it is planned: its size, depth, and that it only reads.
//!
//! The checks on depth look at tokens, one after the other, and so cannot themselves be nested: the parser, the planner and
//! even freeing a parsed tree recurse, and a sum of 20,000 terms would overflow their stacks.

use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParser, DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{Query as SqlQuery, SetExpr, Statement as SqlStatement, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::breadth;
use super::error::{SqlError, SqlErrorKind};
use super::limits::{EXPRESSION_TOKENS_MAX, NESTING_DEPTH_MAX, QUERY_BYTES_MAX, SET_OPERATIONS_MAX};
use super::place::{Place, tokens};

/// The parser counts several levels for one parenthesis.
const PARSER_RECURSION_MAX: usize = NESTING_DEPTH_MAX * 4;

/// The one statement of a text that passes.
pub(super) fn pass(text: &str) -> Result<Statement, SqlError> {
    if text.len() > QUERY_BYTES_MAX {
        let message = format!("the query has {} bytes, more than {QUERY_BYTES_MAX}", text.len());
        return Err(SqlError::new(SqlErrorKind::TextTooLong, message));
    }
    let tokens =
        tokens(text).map_err(|e| SqlError::wrong(e.message.clone()).at(Place::at(text, e.location.line, e.location.column)))?;
    if tokens.iter().all(|t| matches!(t.token, Token::Whitespace(_) | Token::SemiColon | Token::EOF)) {
        return Err(SqlError::wrong("the query is empty").at(Some(Place::end(""))));
    }
    measure(&tokens, text)?;
    let statement = parse(text)?;
    only_reads(&statement)?;
    breadth::check(&statement)?;
    Ok(statement)
}

/// Whether a text is one expression, so that it stays one between the parentheses of a query.
pub(crate) fn check_expression(text: &str) -> Result<(), SqlError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(SqlError::new(SqlErrorKind::TextTooLong, format!("the expression has more than {QUERY_BYTES_MAX} bytes")));
    }
    let place = |line, column| Place::at(text, line, column);
    let tokens = tokens(text).map_err(|e| SqlError::wrong(e.message.clone()).at(place(e.location.line, e.location.column)))?;
    measure(&tokens, text)?;
    let failed = |e| SqlError::from_parser(&e, text);
    let mut parser =
        Parser::new(&GenericDialect {}).with_recursion_limit(PARSER_RECURSION_MAX).with_tokens_with_locations(tokens);
    parser.parse_expr().map_err(failed)?;
    let next = parser.peek_token();
    if next.token == Token::EOF {
        return Ok(());
    }
    Err(SqlError::wrong(format!("the expression ends before {}", next.token))
        .hint("give one condition, as after WHERE")
        .at(place(next.span.start.line, next.span.start.column)))
}

/// Depth by parentheses, and length of what is between commas, since `a + b + c` is nested to the left.
fn measure(tokens: &[TokenWithSpan], text: &str) -> Result<(), SqlError> {
    let mut lengths = vec![0_usize];
    let mut set_operations = 0;
    for token in tokens {
        let at = || Place::at(text, token.span.start.line, token.span.start.column);
        let keyword = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            _ => Keyword::NoKeyword,
        };
        match (&token.token, keyword) {
            (Token::Whitespace(_) | Token::EOF, _) => continue,
            (Token::LParen | Token::LBracket | Token::LBrace, _) | (_, Keyword::CASE) => lengths.push(0),
            (Token::RParen | Token::RBracket | Token::RBrace, _) | (_, Keyword::END) if lengths.len() > 1 => {
                lengths.pop();
            }
            (Token::Comma | Token::SemiColon, _)
            | (_, Keyword::SELECT | Keyword::FROM | Keyword::WHERE | Keyword::WHEN | Keyword::THEN | Keyword::ELSE) => {
                if let Some(length) = lengths.last_mut() {
                    *length = 0;
                }
            }
            (_, Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT) => set_operations += 1,
            _ => {}
        }
        if let Some(length) = lengths.last_mut() {
            *length += 1;
            if *length > EXPRESSION_TOKENS_MAX {
                return Err(SqlError::too_deep().at(at()));
            }
        }
        if lengths.len() > NESTING_DEPTH_MAX {
            return Err(SqlError::too_deep().at(at()));
        }
        if set_operations > SET_OPERATIONS_MAX {
            let message = format!("more than {SET_OPERATIONS_MAX} set operations (UNION, INTERSECT, EXCEPT)");
            return Err(SqlError::wrong(message).at(at()));
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<Statement, SqlError> {
    let parsed = DFParserBuilder::new(text)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(PARSER_RECURSION_MAX)
        .build()
        .and_then(|mut parser: DFParser| parser.parse_statements());
    let mut statements = parsed.map_err(|e| SqlError::from_datafusion(&e, text))?;
    let one = statements.pop_front().ok_or_else(|| SqlError::wrong("the query is empty"))?;
    for other in &statements {
        only_reads(other)?;
    }
    if statements.is_empty() {
        Ok(one)
    } else {
        Err(SqlError::wrong("more than one statement").hint("send one statement at a time"))
    }
}

fn only_reads(statement: &Statement) -> Result<(), SqlError> {
    let allowed = match statement {
        Statement::Statement(statement) => match &**statement {
            SqlStatement::Query(query) => reads(query),
            _ => false,
        },
        Statement::Explain(explain) => return only_reads(&explain.statement),
        _ => false,
    };
    if allowed {
        return Ok(());
    }
    let hint = "SELECT, WITH, VALUES and EXPLAIN are allowed";
    Err(SqlError::new(SqlErrorKind::Forbidden, "only queries that read are allowed").hint(hint))
}

/// Whether no part of a query writes; parts are found by a visitor, since any subquery may hide one.
fn reads(query: &SqlQuery) -> bool {
    struct Writes;
    impl Visitor for Writes {
        type Break = ();
        fn pre_visit_query(&mut self, query: &SqlQuery) -> ControlFlow<()> {
            let mut bodies = vec![&*query.body];
            while let Some(body) = bodies.pop() {
                match body {
                    SetExpr::Select(select) if select.into.is_none() => {}
                    SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => {}
                    SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                    _ => return ControlFlow::Break(()),
                }
            }
            ControlFlow::Continue(())
        }
    }
    query.visit(&mut Writes).is_continue()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> SqlError {
        pass(text).expect_err(text)
    }

    #[test]
    fn statements_that_write_are_forbidden() {
        for text in [
            "CREATE TABLE t (a INT)",
            "CREATE TABLE t AS SELECT 1 AS a",
            "CREATE VIEW v AS SELECT 1 AS a",
            "CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '/x.csv'",
            "CREATE SCHEMA s",
            "INSERT INTO t (a) VALUES ('x')",
            "COPY (SELECT 1) TO '/x'",
            "COPY t TO '/x.parquet'",
            "SET datafusion.execution.batch_size = 1",
            "RESET datafusion.execution.batch_size",
            "DROP TABLE t",
            "DELETE FROM t",
            "UPDATE t SET a = 'x'",
            "SELECT 1; DROP TABLE t",
            "SELECT a INTO b FROM t",
            "EXPLAIN CREATE TABLE t (a INT)",
            "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
            "PREPARE p AS SELECT 1",
        ] {
            assert_eq!(refused(text).kind, SqlErrorKind::Forbidden, "{text}");
        }
    }

    #[test]
    fn queries_pass() {
        for text in [
            "SELECT 1",
            "  SELECT 1 ; ",
            "WITH a AS (SELECT 1 AS x) SELECT * FROM a",
            "VALUES (1), (2)",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "SELECT 1 UNION ALL SELECT 2",
        ] {
            assert!(pass(text).is_ok(), "{text}: {:?}", pass(text).err());
        }
    }

    #[test]
    fn an_expression_is_one_and_nothing_else() {
        for text in ["pid = 1", "a IN (SELECT b FROM c) -- of them", "TRUE", "x LIKE '%;%)'"] {
            assert!(check_expression(text).is_ok(), "{text}");
        }
        let deep = "(".repeat(5000);
        for text in ["", "pid = ", "TRUE) OR (TRUE", "TRUE); DROP TABLE stacks; --", "1; 2", "a b", "/* open", "'open", &deep] {
            let error = check_expression(text).expect_err(text);
            assert_eq!(error.kind, SqlErrorKind::Wrong, "{text}");
        }
        assert_eq!(check_expression("TRUE) OR (TRUE").unwrap_err().place.map(|p| p.position), Some(5));
    }

    #[test]
    fn depth_is_measured_before_parsing() {
        let deep = [
            format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)),
            format!("SELECT 1{}", " + 1".repeat(20_000)),
            format!("SELECT {}true", "NOT ".repeat(20_000)),
            format!("SELECT {}1", "- ".repeat(20_000)),
            format!("SELECT 1{}", "::INT".repeat(20_000)),
            format!("SELECT 1{}", " IS NULL".repeat(20_000)),
            format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(5000), " END".repeat(5000)),
            format!("SELECT 1{}", " + CASE WHEN true THEN 1 END".repeat(20_000)),
            format!("SELECT 1, 2{}", " UNION SELECT 1, 2".repeat(20_000)),
            format!("SELECT x{}", "[1]".repeat(20_000)),
            format!("SELECT {}1{}", "[".repeat(5000), "]".repeat(5000)),
            format!("SELECT 1 FROM t{}", ", t".repeat(5000)),
            format!("SELECT 1 FROM t{}", " CROSS JOIN t".repeat(5000)),
            format!("SELECT a FROM t GROUP BY CUBE({}a)", "a,".repeat(40)),
            format!(
                "WITH c0 AS (SELECT 1){} SELECT 1 FROM c60",
                (1..=60).map(|i| format!(", c{i} AS (SELECT 1 FROM C{0} a, c{0} b)", i - 1)).collect::<String>()
            ),
        ];
        for text in deep {
            let error = refused(&text);
            assert_eq!(error.kind, SqlErrorKind::Wrong, "{}", &text[..60]);
        }
        let wide = format!("SELECT 1 WHERE 1 IN ({}0)", "1, ".repeat(8000));
        assert!(pass(&wide).is_ok());
        let sum = format!("SELECT 1{}", " + 1".repeat(900));
        assert!(pass(&sum).is_ok());
    }

    #[test]
    fn errors_say_where() {
        let place = |text| refused(text).place.map(|p| (p.position, p.line, p.column));
        assert_eq!(place("SELEC 1"), Some((1, 1, 1)));
        assert_eq!(place("SELECT (1"), Some((10, 1, 10)));
        assert_eq!(place("SELECT 1\n  FROM 'a"), Some((17, 2, 8)));
        assert_eq!(place(""), Some((1, 1, 1)));
        assert_eq!(refused(&format!("SELECT '{}'", "x".repeat(QUERY_BYTES_MAX))).kind, SqlErrorKind::TextTooLong);
    }
}
