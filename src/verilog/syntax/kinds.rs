//! Which of slang's kinds of node stands for which rule.

use sv_lang::kinds::SyntaxKind;
use sv_lang::nodes::{
    ExpressionStatementSyntax, ProceduralAssignStatementSyntax, ProceduralDeassignStatementSyntax,
};
use sv_lang::{AstNode, Node};

use super::Rule;

/// What nobody looks into.
pub(super) fn is_whole(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::ParameterPorts
            | Rule::Ports
            | Rule::AnsiPorts
            | Rule::Primitive
            | Rule::Interface
            | Rule::Program
            | Rule::Class
            | Rule::Config
            | Rule::Bind
            | Rule::Checker
            | Rule::Foreign
            | Rule::Import
            | Rule::Export
            | Rule::Alias
            | Rule::Instance
            | Rule::Gate
            | Rule::Defparam
            | Rule::Specify
            | Rule::Assertion
            | Rule::SystemItem
            | Rule::Assign
            | Rule::IncDec
            | Rule::ProcedureAssign
            | Rule::Condition
            | Rule::Call
            | Rule::Disable
            | Rule::Trigger
            | Rule::Return
            | Rule::Jump
            | Rule::RandomCase
    )
}

/// The left side of a statement that assigns.
pub(super) fn target(node: Node<'_>) -> Option<Node<'_>> {
    if let Some(statement) = ExpressionStatementSyntax::cast(node) {
        let assignment = statement.expr().syntax();
        return if is_assignment(assignment.kind()) { assignment.children().next() } else { None };
    }
    if let Some(statement) = ProceduralAssignStatementSyntax::cast(node) {
        return statement.expr().syntax().children().next();
    }
    ProceduralDeassignStatementSyntax::cast(node).map(|statement| statement.variable().syntax())
}

fn is_assignment(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::AssignmentExpression
            | SyntaxKind::NonblockingAssignmentExpression
            | SyntaxKind::AddAssignmentExpression
            | SyntaxKind::SubtractAssignmentExpression
            | SyntaxKind::MultiplyAssignmentExpression
            | SyntaxKind::DivideAssignmentExpression
            | SyntaxKind::ModAssignmentExpression
            | SyntaxKind::AndAssignmentExpression
            | SyntaxKind::OrAssignmentExpression
            | SyntaxKind::XorAssignmentExpression
            | SyntaxKind::LogicalLeftShiftAssignmentExpression
            | SyntaxKind::LogicalRightShiftAssignmentExpression
            | SyntaxKind::ArithmeticLeftShiftAssignmentExpression
            | SyntaxKind::ArithmeticRightShiftAssignmentExpression
    )
}

/// What a statement is; [`Rule::Slot`] is an empty one.
pub(super) fn statement_rule(node: Node<'_>) -> Option<Rule> {
    use SyntaxKind as K;
    Some(match node.kind() {
        K::EmptyStatement => Rule::Slot,
        K::ExpressionStatement => {
            let expression = ExpressionStatementSyntax::cast(node)?.expr().syntax().kind();
            match expression {
                K::PostincrementExpression
                | K::PostdecrementExpression
                | K::UnaryPreincrementExpression
                | K::UnaryPredecrementExpression => Rule::IncDec,
                other if is_assignment(other) => Rule::Assign,
                _ => Rule::Call,
            }
        }
        K::VoidCastedCallStatement => Rule::Call,
        K::ProceduralAssignStatement
        | K::ProceduralForceStatement
        | K::ProceduralDeassignStatement
        | K::ProceduralReleaseStatement => Rule::ProcedureAssign,
        K::CaseStatement => Rule::Case,
        K::ConditionalStatement => Rule::If,
        K::DisableStatement | K::DisableForkStatement => Rule::Disable,
        K::BlockingEventTriggerStatement | K::NonblockingEventTriggerStatement => Rule::Trigger,
        K::ForLoopStatement => Rule::For,
        K::ForeachLoopStatement => Rule::Foreach,
        K::LoopStatement => Rule::While,
        K::ForeverStatement => Rule::Forever,
        K::DoWhileStatement => Rule::DoWhile,
        K::ReturnStatement => Rule::Return,
        K::JumpStatement => Rule::Jump,
        K::SequentialBlockStatement | K::ParallelBlockStatement => Rule::Block,
        K::TimingControlStatement => Rule::Timed,
        K::WaitStatement | K::WaitForkStatement => Rule::Wait,
        K::ImmediateAssertStatement
        | K::ImmediateAssumeStatement
        | K::ImmediateCoverStatement
        | K::AssertPropertyStatement
        | K::AssumePropertyStatement
        | K::CoverPropertyStatement
        | K::CoverSequenceStatement
        | K::RestrictPropertyStatement
        | K::ExpectPropertyStatement
        | K::CheckerInstanceStatement => Rule::Assertion,
        K::RandCaseStatement | K::RandSequenceStatement | K::WaitOrderStatement => Rule::RandomCase,
        _ => return None,
    })
}

/// What anything else is; [`Rule::GenerateSlot`] is a `;` of its own.
pub(super) fn item_rule(kind: SyntaxKind) -> Option<Rule> {
    use SyntaxKind as K;
    Some(match kind {
        K::EmptyMember => Rule::GenerateSlot,
        K::ModuleDeclaration => Rule::Module,
        K::ModuleHeader => Rule::Header,
        K::ParameterPortList => Rule::ParameterPorts,
        K::NonAnsiPortList => Rule::Ports,
        K::AnsiPortList => Rule::AnsiPorts,
        K::UdpDeclaration => Rule::Primitive,
        K::InterfaceDeclaration => Rule::Interface,
        K::ProgramDeclaration | K::AnonymousProgram => Rule::Program,
        K::PackageDeclaration => Rule::Package,
        K::ClassDeclaration => Rule::Class,
        K::ConfigDeclaration => Rule::Config,
        K::BindDirective => Rule::Bind,
        K::CheckerDeclaration => Rule::Checker,
        K::DPIImport | K::DPIExport => Rule::Foreign,
        K::PortDeclaration
        | K::NetDeclaration
        | K::UserDefinedNetDeclaration
        | K::DataDeclaration
        | K::GenvarDeclaration
        | K::ParameterDeclarationStatement
        | K::LetDeclaration
        | K::NetTypeDeclaration => Rule::Declaration,
        K::TypedefDeclaration | K::ForwardTypedefDeclaration => Rule::Typedef,
        K::PackageImportDeclaration => Rule::Import,
        K::PackageExportDeclaration | K::PackageExportAllDeclaration => Rule::Export,
        K::FunctionDeclaration => Rule::Function,
        K::TaskDeclaration => Rule::Task,
        K::ContinuousAssign => Rule::ContinuousAssign,
        K::NetAlias => Rule::Alias,
        K::InitialBlock => Rule::Initial,
        K::FinalBlock => Rule::Final,
        K::AlwaysBlock | K::AlwaysCombBlock | K::AlwaysFFBlock | K::AlwaysLatchBlock => {
            Rule::Always
        }
        K::GenerateRegion => Rule::GenerateRegion,
        K::LoopGenerate => Rule::GenerateFor,
        K::IfGenerate => Rule::GenerateIf,
        K::CaseGenerate => Rule::GenerateCase,
        K::GenerateBlock => Rule::GenerateBlock,
        K::StandardCaseItem | K::PatternCaseItem | K::DefaultCaseItem => Rule::Arm,
        K::HierarchyInstantiation | K::CheckerInstantiation => Rule::Instantiation,
        K::PrimitiveInstantiation => Rule::Gates,
        K::HierarchicalInstance => Rule::Instance,
        K::DefParam => Rule::Defparam,
        K::SpecifyBlock | K::SpecparamDeclaration => Rule::Specify,
        K::ConcurrentAssertionMember
        | K::ImmediateAssertionMember
        | K::PropertyDeclaration
        | K::SequenceDeclaration
        | K::CovergroupDeclaration
        | K::ClockingDeclaration
        | K::DefaultClockingReference
        | K::DefaultDisableDeclaration => Rule::Assertion,
        K::ElabSystemTask | K::TimeUnitsDeclaration => Rule::SystemItem,
        K::ConditionalPredicate => Rule::Condition,
        _ => return None,
    })
}
