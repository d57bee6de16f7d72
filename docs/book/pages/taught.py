"""Which lesson each name belongs to: the one that builds it, or what it is a kind of.

What a lesson builds or introduces stands in its own first cell.  The library has more names than
lessons have exercises: those of a kind are listed here, once, with the lesson that builds the kind.
"""

from __future__ import annotations

import re
from functools import cache

from pages.inventory import ledger, names, operations
from tinygrad_edu import learn

# Lesson -> names.  A word stands for every name that is spelt so but for capitals, underscores,
# 1d, 2d and Loss: `conv` is nn.Conv1d, nn.functional.conv2d and ops.conv1d.  One with a dot is
# that name alone, and one that ends in .* a whole room.
KINDS = {
    "00": "learn.* story",
    "03": """op latex rule_latex record_lines add subtract multiply divide negative power
        reciprocal square sqrt rsqrt abs sign floor ceil exp exp2 expm1 log log2 log10 log1p
        sin cos tan arcsin arccos arctan arctan2 sinh cosh erf maximum minimum clip greater
        greater_equal less less_equal equal not_equal""",
    "04": "detect_anomaly diff",
    "05": "scalar.* value_and_grad tanh relu moons circles decision_boundary",
    "06": """zeros ones full eye arange linspace rand randn zeros_like ones_like uniform_like
        normal_like sum mean prod max min argmax argmin norm cumsum reshape transpose
        matrix_transpose swapaxes squeeze expand_dims broadcast_to flip roll concat stack split
        getitem put_add take where astype""",
    "07": """jacobian hessian jvp hvp logaddexp einsum outer tensordot bilinear tril triu
        learn.use_mine learn.Mine""",
    "09": """softmax log_softmax cross_entropy nll binary_cross_entropy BCE BCEWithLogits
        binary_cross_entropy_with_logits sigmoid logsigmoid softplus kl_div mse l1 smooth_l1
        huber hinge_embedding margin_ranking one_hot iris wine breast_cancer diabetes""",
    "10": """Linear affine Module ModuleDict ModuleList Parameter Sequential Flatten Identity
        DataLoader Dataset Subset TensorDataset default_collate random_split digits mnist
        fashion_mnist read_idx History train.Run evaluate training_step Dashboard plot_history
        accuracy confusion_matrix precision_recall_f1 top_k_accuracy""",
    "13": "LBFGS Optimizer parameters_to_vector vector_to_parameters loss_landscape",
    "17": "lr_scheduler.* LRCurve Results SweepError AveragedParameters",
    "18": """init.* LeakyReLU ELU SELU CELU GELU SiLU Mish Hardtanh ReLU6 Hardsigmoid Hardswish
        Softsign Tanhshrink histograms""",
    "19": "batch_norm layer_norm group_norm RMSNorm var std",
    "23": "cosine_similarity normalize",
    "24": "remove_spectral_norm",
    "25": "dropout transforms.*",
    "27": "Difference module_parity learn.beside_torch from_torch to_torch from_dlpack",
    "28": """conv conv_weight unfold fold max_pool avg_pool pad ConstantPad ReflectionPad
        ReplicationPad ZeroPad photo""",
    "29": "filters feature_maps",
    "30": "adaptive_avg_pool adaptive_max_pool cifar10 read_cifar10",
    "31": "embedding sentences Vocabulary WordTokenizer",
    "32": "rnn clip_grad_value get_total_norm pad_sequence",
    "33": "gru lstm adding_problem",
    "34": """Tokenizer CharTokenizer BytePairTokenizer TokenWindows place_names python_manual
        tiny_shakespeare perplexity""",
    "35": "attention_weights scaled_dot_product_attention attention_map TextPairs dates reversals",
    "36": """Transformer TransformerEncoder TransformerDecoder TransformerDecoderLayer
        RotaryPositionalEncoding SinusoidalPositionalEncoding""",
    "39": "conv_transpose Upsample interpolate",
    "41": "export_onnx export_program",
    "42": "to_device device",
}


@cache
def lesson_of() -> dict[str, learn.Lesson]:
    """The label of every name and operation to its lesson; the lessons' own first cells go first.

    Raises KeyError for a name without a lesson, and for an entry of the table that is no name's.
    """
    table: dict[str, str] = {}
    for number, text in KINDS.items():
        for entry in map(_plain, text.split()):
            if entry in table:
                raise KeyError(f"{entry} is in lesson {table[entry]} and in lesson {number}")
            table[entry] = number
    lessons = {lesson.number: lesson for lesson in learn.lessons()}
    found: dict[str, learn.Lesson] = {}
    used = set()
    for label, short in (*((n.label, n.short) for n in names()), *_operations()):
        room, _, bare = short.rpartition(".")
        ways = (_plain(short), f"{room.rpartition('.')[2]}.*", _plain(bare))
        entry = next((way for way in ways if way in table), None)
        used.add(entry)
        if label in ledger():
            found[label] = ledger()[label][1]
        elif entry:
            found[label] = lessons[table[entry]]
        else:
            raise KeyError(f"{short} has no lesson: add it, or its kind, to KINDS in {__file__}")
    if unknown := sorted(set(table) - used):
        raise KeyError(f"no name is spelt {', '.join(unknown)}")
    return found


def taught(label: str) -> str:
    """For the page of a name: its lesson, and whether that builds it."""
    lesson = lesson_of()[label]
    verb, _ = ledger().get(label, ("Belongs to", lesson))
    return f"{verb} lesson [{lesson.number} · {lesson.title}](#lesson-{lesson.number})."


def linked(number: str) -> str:
    """For the page of a lesson: every name that belongs to it, as links."""
    shorts = {n.label: n.short for n in names()} | dict(_operations())
    here = [label for label, lesson in lesson_of().items() if lesson.number == number]
    return ", ".join(f"[`{shorts[label]}`](#{label})" for label in here)


def _operations() -> tuple[tuple[str, str], ...]:
    return tuple((f"ops.{op.name}", f"ops.{op.name}") for op in operations())


def _plain(name: str) -> str:
    """A name as the table spells it: without what tells its kin apart.

    >>> _plain("AdaptiveAvgPool2d") == _plain("adaptive_avg_pool1d")
    True
    """
    if "." in name:
        return name
    return re.sub(r"([12]d|loss)$", "", name.lower().replace("_", ""))
