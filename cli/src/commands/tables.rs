//! `earshot tables`: the catalogue, from the declarations themselves.

use crate::args::TablesArgs;
use crate::exit::Done;
use crate::output::{print, text_rows};

pub fn tables(args: TablesArgs) -> Done {
    let format = args.format.chosen();
    let Some(name) = &args.name else {
        let (names, abouts) = super::all_tables().map(|t| (Some(t.name.to_owned()), Some(t.meaning().to_owned()))).unzip();
        return Ok(print(format, &text_rows(&[("table", names), ("meaning", abouts)])?)?);
    };
    let table = super::all_tables().find(|t| t.name == name);
    let table = table.ok_or_else(|| anyhow::anyhow!("no table is called {name}; 'earshot tables' lists them"))?;
    let column = |f: &dyn Fn(&schema::Column) -> Option<String>| table.columns().map(f).collect::<Vec<_>>();
    let rows = text_rows(&[
        ("column", column(&|c| Some(c.name.to_owned()))),
        ("type", column(&|c| Some(c.ty.sql().to_owned()))),
        ("unit", column(&|c| c.unit.map(|u| u.as_str().to_owned()))),
        ("meaning", column(&|c| Some(c.meaning().to_owned()))),
    ])?;
    Ok(print(format, &rows)?)
}
