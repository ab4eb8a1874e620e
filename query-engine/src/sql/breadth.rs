//! What makes a plan large without making the text deep.
//!
//! In: a parsed statement. Out: nothing, or what there is too much of. The planner writes common table expressions out wherever
//! they are named and never asks how often, so it has to be known before.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Query, Visit, Visitor};
use hashbrown::HashMap;

use super::error::SqlError;
use super::limits::{CUBE_COLUMNS_MAX, RELATIONS_MAX, RELATIONS_WRITTEN_OUT_MAX};

pub(super) fn check(statement: &Statement) -> Result<(), SqlError> {
    let statement = match statement {
        Statement::Statement(statement) => statement,
        Statement::Explain(explain) => return check(&explain.statement),
        _ => return Ok(()),
    };
    let mut breadth = Breadth { open: vec![0], ..Breadth::default() };
    let _ = statement.visit(&mut breadth);
    let relations = breadth.relations;
    if relations > RELATIONS_MAX {
        return Err(SqlError::wrong(format!("the query names {relations} tables, more than {RELATIONS_MAX}")));
    }
    if breadth.open.iter().sum::<u64>() > RELATIONS_WRITTEN_OUT_MAX {
        let message = format!("the query reads more than {RELATIONS_WRITTEN_OUT_MAX} tables");
        return Err(SqlError::wrong(message).hint("a common table expression counts as often as it is named"));
    }
    let cubes = breadth.cube_columns;
    if cubes > CUBE_COLUMNS_MAX {
        return Err(SqlError::wrong(format!("CUBE over {cubes} columns, more than {CUBE_COLUMNS_MAX}")));
    }
    Ok(())
}

#[derive(Default)]
struct Breadth {
    relations: usize,
    cube_columns: usize,
    /// Relations, written out, of the query that is being visited and of those around it.
    open: Vec<u64>,
    /// Names of common table expressions, by the address of their query.
    names: HashMap<usize, String>,
    /// Relations of each common table expression, written out. A name that is used twice counts as the larger one.
    written_out: HashMap<String, u64>,
}

fn address(query: &Query) -> usize {
    std::ptr::from_ref(query) as usize
}

impl Visitor for Breadth {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.open.push(0);
        for cte in query.with.iter().flat_map(|w| &w.cte_tables) {
            self.names.insert(address(&cte.query), cte.alias.name.value.to_ascii_lowercase());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let relations = self.open.pop().unwrap_or(0).saturating_add(1);
        match self.names.get(&address(query)) {
            Some(name) => {
                let known = self.written_out.entry(name.clone()).or_default();
                *known = relations.max(*known);
            }
            None => self.count(relations),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.relations += 1;
        let name = relation.0.last().and_then(|part| part.as_ident()).map(|i| i.value.to_ascii_lowercase());
        let relations = name.and_then(|name| self.written_out.get(&name).copied()).unwrap_or(1);
        self.count(relations);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Cube(sets) = expr {
            self.cube_columns += sets.len();
        }
        ControlFlow::Continue(())
    }
}

impl Breadth {
    fn count(&mut self, relations: u64) {
        if let Some(open) = self.open.last_mut() {
            *open = open.saturating_add(relations);
        }
    }
}
