//! `approx_distinct` of DataFusion, also of text in a dictionary, which it refuses.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::approx_distinct::ApproxDistinct as Datafusion;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature, Volatility};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ApproxDistinct {
    signature: Signature,
    datafusion: Datafusion,
}

impl Default for ApproxDistinct {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable), datafusion: Datafusion::new() }
    }
}

impl AggregateUDFImpl for ApproxDistinct {
    fn name(&self) -> &str {
        self.datafusion.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Dictionary(_, values)] => Ok(vec![values.as_ref().clone()]),
            [other] => Ok(vec![other.clone()]),
            _ => plan_err!("approx_distinct takes 1 argument, not {}", types.len()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.datafusion.return_type(types)
    }

    fn default_value(&self, ty: &DataType) -> Result<ScalarValue> {
        self.datafusion.default_value(ty)
    }

    fn is_nullable(&self) -> bool {
        self.datafusion.is_nullable()
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.datafusion.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.datafusion.accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.datafusion.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.datafusion.create_groups_accumulator(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.datafusion.documentation()
    }
}
