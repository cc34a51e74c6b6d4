//! The schemas of the types that handlers name: which are components, and what is written in place.
//!
//! utoipa writes the parameter of a generic type in place, such as the `Article` in `Vec<Article>`; here it
//! becomes a reference. Invariant: the components are those that something refers to.
use std::collections::{BTreeMap, BTreeSet};

use pixie_core::{
    Notes,
    openapi::{SchemaOf, TypeSchema},
};
use utoipa::openapi::{
    KnownFormat, Object, Ref, RefOr, Schema, SchemaFormat, Type,
    schema::{AdditionalProperties, ArrayItems, ObjectBuilder, SchemaType},
};

const COMPONENT: &str = "#/components/schemas/";

/// The schemas of an app.
pub(super) struct Schemas {
    /// By the name of the Rust type.
    types: BTreeMap<&'static str, TypeSchema>,
    /// All that can be components, by their names.
    named: BTreeMap<String, RefOr<Schema>>,
    used: BTreeSet<String>,
}

/// A property of an object: a parameter of a query string, or a field of a form.
pub(super) struct Property {
    pub(super) name: String,
    pub(super) schema: RefOr<Schema>,
    pub(super) is_required: bool,
}

impl Schemas {
    /// Makes the schemas that routes note.
    pub(super) fn of<'n>(notes: impl Iterator<Item = &'n Notes>) -> Schemas {
        let makers: BTreeMap<&'static str, SchemaOf> = notes.flat_map(|notes| notes.schemas.clone()).collect();
        let types: BTreeMap<_, _> = makers.into_iter().map(|(ty, make)| (ty, make())).collect();
        let mut schemas = Schemas { types, named: BTreeMap::new(), used: BTreeSet::new() };
        for (ty, made) in &schemas.types {
            schemas.named.extend(made.others.iter().cloned());
            if let Some(name) = &made.name {
                let mut schema = made.schema.clone();
                inner(&mut schema, &mut |schema| schemas.refer(ty, schema));
                schemas.named.insert(name.clone(), schema);
            }
        }
        schemas
    }

    /// Returns the schema of a Rust type for the content of a body, or `None` if the type has none.
    pub(super) fn content(&mut self, ty: &str) -> Option<RefOr<Schema>> {
        let mut schema = match (ty, self.types.get(ty)) {
            ("str", _) => Object::with_type(Type::String).into(),
            ("[u8]", _) => binary(),
            (_, Some(TypeSchema { name: Some(name), .. })) => Ref::from_schema_name(name).into(),
            (_, Some(made)) => made.schema.clone(),
            (_, None) => return None,
        };
        inner(&mut schema, &mut |schema| self.refer(ty, schema));
        self.use_all(&schema);
        Some(schema)
    }

    /// Returns the properties of a Rust type, or `None` if the type has no schema.
    pub(super) fn properties(&mut self, ty: &str) -> Option<Vec<Property>> {
        let mut found = Vec::new();
        self.collect(&self.types.get(ty)?.schema, &mut found);
        for property in &mut found {
            without_null(&mut property.schema);
            inner(&mut property.schema, &mut |schema| self.refer(ty, schema));
        }
        found.iter().for_each(|property| self.use_all(&property.schema));
        Some(found)
    }

    fn collect(&self, schema: &RefOr<Schema>, found: &mut Vec<Property>) {
        match schema {
            RefOr::Ref(reference) => {
                let name = reference.ref_location.strip_prefix(COMPONENT);
                name.and_then(|name| self.named.get(name)).iter().for_each(|schema| self.collect(schema, found));
            }
            RefOr::T(Schema::Object(object)) => found.extend(object.properties.iter().map(|(name, schema)| Property {
                name: name.clone(),
                schema: schema.clone(),
                is_required: object.required.contains(name),
            })),
            // A type with flattened fields.
            RefOr::T(Schema::AllOf(all)) => all.items.iter().for_each(|schema| self.collect(schema, found)),
            RefOr::T(_) => {}
        }
    }

    /// Replaces a schema by a reference to a parameter of the type that has the same one.
    fn refer(&self, ty: &str, schema: &mut RefOr<Schema>) {
        let is_part = |part: &str| ty.len() > part.len() && ty.contains(part);
        let RefOr::T(written) = schema else { return };
        if !is_composite(written) {
            return;
        }
        let same =
            self.types.iter().find(|(part, made)| is_part(part) && made.name.is_some() && made.schema == *schema);
        if let Some(name) = same.and_then(|(_, made)| made.name.as_ref()) {
            *schema = Ref::from_schema_name(name).into();
        }
    }

    /// Notes the components that a schema refers to, and those that they refer to.
    fn use_all(&mut self, schema: &RefOr<Schema>) {
        let mut waiting = vec![schema.clone()];
        while let Some(mut schema) = waiting.pop() {
            let mut see = |schema: &mut RefOr<Schema>| {
                let RefOr::Ref(reference) = schema else { return };
                let Some(name) = reference.ref_location.strip_prefix(COMPONENT) else { return };
                if self.used.insert(name.to_owned()) {
                    waiting.extend(self.named.get(name).cloned());
                }
            };
            see(&mut schema);
            inner(&mut schema, &mut see);
        }
    }

    /// Returns the components that are used.
    pub(super) fn into_components(self) -> BTreeMap<String, RefOr<Schema>> {
        self.named.into_iter().filter(|(name, _)| self.used.contains(name)).collect()
    }
}

/// Returns the schema of bytes.
pub(super) fn binary() -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
}

/// Returns whether a schema is that of a struct or an enum, which no other type has by chance.
fn is_composite(schema: &Schema) -> bool {
    match schema {
        Schema::Object(object) => !object.properties.is_empty() || object.enum_values.is_some(),
        Schema::Array(_) => false,
        _ => true,
    }
}

/// Applies a change to all schemas inside of one, the outer ones first.
fn inner(schema: &mut RefOr<Schema>, change: &mut impl FnMut(&mut RefOr<Schema>)) {
    let RefOr::T(schema) = schema else { return };
    let mut each = |schema: &mut RefOr<Schema>| {
        change(schema);
        inner(schema, change);
    };
    match schema {
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                each(items);
            }
        }
        Schema::Object(object) => {
            object.properties.values_mut().for_each(&mut each);
            if let Some(AdditionalProperties::RefOr(schema)) = object.additional_properties.as_deref_mut() {
                each(schema);
            }
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(each),
        Schema::AllOf(all) => all.items.iter_mut().for_each(each),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(each),
        _ => {}
    }
}

/// Removes `null` from a schema: a query string and a form have no way to write it.
fn without_null(schema: &mut RefOr<Schema>) {
    let is_null = |schema: &RefOr<Schema>| match schema {
        RefOr::T(Schema::Object(object)) => object.schema_type == SchemaType::Type(Type::Null),
        _ => false,
    };
    let RefOr::T(written) = schema else { return };
    match written {
        Schema::Object(object) => drop_null(&mut object.schema_type),
        Schema::Array(array) => drop_null(&mut array.schema_type),
        Schema::OneOf(one) => {
            one.items.retain(|item| !is_null(item));
            if let [only] = &mut one.items[..] {
                *schema = only.clone();
            }
        }
        _ => {}
    }
}

fn drop_null(schema_type: &mut SchemaType) {
    let SchemaType::Array(types) = schema_type else { return };
    types.retain(|one| *one != Type::Null);
    if let [only] = &types[..] {
        *schema_type = SchemaType::Type(only.clone());
    }
}
