"""Judge versions: PEFT adapters on one base model, and which of them is in force.

Small models keep each version's changed weights merged, which costs nothing per token; large ones keep adapters apart.
"""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open

from engine.backends.adapter_folder import WEIGHTS, adapter_settings, check_adapter_files, check_base, misfit
from engine.backends.model_files import damaged, first_line
from engine.errors import ModelError
from engine.records import BASE_JUDGE

_SMALL = 1_000_000_000
"""Bytes of weights up to which a whole second model is made to merge a version."""


class Judges(Protocol):
    """The judge versions of one model."""

    def load(self, judge: str, adapter: Path) -> None:
        """Register a version. Raises `ModelError` when the folder is no adapter, or one of another base."""

    def activate(self, judge: str) -> None:
        """Make the model answer as this version from now on. Raises `ModelError` for an unknown name."""

    def changes_eyes(self, judge: str) -> bool:
        """Whether the version sees differently from the base, so that image features cannot be shared."""


def judges_for(model: Any, *, base_name: str) -> Judges:
    """Merged for small models, adapters for large ones."""
    size = sum(weight.nbytes for weight in model.parameters())
    return MergedJudges(model, base_name) if size <= _SMALL else AdapterJudges(model, base_name)


class _Register:
    """Names and folders, and the checks every kind needs."""

    def __init__(self, model: Any, base_name: str) -> None:
        self._model = model
        self._base_name = base_name
        self._folders: dict[str, Path] = {}
        self._active = BASE_JUDGE
        self._other_eyes: set[str] = set()

    def changes_eyes(self, judge: str) -> bool:
        """See `Judges`."""
        self._check_known(judge)
        return judge in self._other_eyes

    def _is_new(self, judge: str, adapter: Path) -> bool:
        """Whether there is anything to load; raises `ModelError` if the name stands for another folder."""
        folder = adapter.resolve()
        if judge == BASE_JUDGE:
            raise ModelError(f"judge '{judge}': is the base model itself; give the adapter another name.")
        known = self._folders.get(judge)
        if known is not None and known != folder:
            raise ModelError(f"judge '{judge}': already stands for {known}, not {folder}; give it another name.")
        if known is None:
            check_base(judge, folder, self._base_name)
        return known is None

    def _check_known(self, judge: str) -> None:
        if judge != BASE_JUDGE and judge not in self._folders:
            loaded = ", ".join([BASE_JUDGE, *self._folders])
            raise ModelError(f"judge '{judge}': is not loaded (loaded: {loaded}); load its adapter first.")

    def _language_weights(self) -> set[int]:
        """Ids of the parameters that image features cannot depend on."""
        parts = [self._model.get_decoder(), self._model.get_output_embeddings()]
        return {id(weight) for part in parts if part is not None for weight in part.parameters()}


class MergedJudges(_Register):
    """Each version is the set of weights it changes; switching exchanges them."""

    def __init__(self, model: Any, base_name: str) -> None:
        super().__init__(model, base_name)
        self._base = _weights(model)
        self._changed: dict[str, dict[str, torch.nn.Parameter]] = {BASE_JUDGE: {}}

    def load(self, judge: str, adapter: Path) -> None:
        """See `Judges`."""
        if not self._is_new(judge, adapter):
            return
        self.activate(BASE_JUDGE)
        plain = copy.deepcopy(self._model)
        untie(plain)
        tuned = _with_adapter(plain, judge, adapter, self._base_name)
        with _quiet():  # that tied weights part here is what was trained
            merged = _weights(tuned.merge_and_unload())
        if merged.keys() != self._base.keys():
            odd = min(merged.keys() ^ self._base.keys())
            raise ModelError(misfit(judge, adapter, self._base_name, f"weight {odd} does not fit"))
        changed = {
            name: weight for name, weight in merged.items() if not torch.equal(weight.data, self._base[name].data)
        }
        for weight in changed.values():
            weight.requires_grad_(False)
        self._changed[judge] = changed
        self._folders[judge] = adapter.resolve()
        language = self._language_weights()
        if any(id(self._base[name]) not in language for name in self._changed[judge]):
            self._other_eyes.add(judge)

    def activate(self, judge: str) -> None:
        """See `Judges`."""
        self._check_known(judge)
        if judge == self._active:
            return
        for name in self._changed[self._active]:
            self._put(name, self._base[name])
        for name, weight in self._changed[judge].items():
            self._put(name, weight)
        self._active = judge

    def _put(self, name: str, weight: torch.nn.Parameter) -> None:
        """Exchange the parameter itself: of two tied ones, a version may change one alone."""
        module, _, leaf = name.rpartition(".")
        self._model.get_submodule(module)._parameters[leaf] = weight


def untie(model: Any) -> None:
    """Give each of tied weights a copy of its own: merging into one would change the other too, which the adapter
    beside the weights does not."""
    seen: set[int] = set()
    for name, weight in _weights(model).items():
        if id(weight) in seen:
            module, _, leaf = name.rpartition(".")
            copied = torch.nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad)
            model.get_submodule(module)._parameters[leaf] = copied
        seen.add(id(weight))


def trains_tied_weights(model: Any, adapter: Path) -> bool:
    """Whether the adapter changes a module whose weight is tied to another's."""
    names: dict[int, list[str]] = {}
    for name, weight in _weights(model).items():
        names.setdefault(id(weight), []).append(name.split(".")[-2])
    tied = {module for modules in names.values() if len(modules) > 1 for module in modules}
    with safe_open(adapter / WEIGHTS, framework="pt") as file:
        return any(tied & set(key.split(".")) for key in file.keys())  # noqa: SIM118  not a dict


def _weights(model: Any) -> dict[str, torch.nn.Parameter]:
    """Every place that holds a weight, by name; tied weights under each of their names."""
    return dict(model.named_parameters(remove_duplicate=False))


class AdapterJudges(_Register):
    """Each version is a named adapter beside the untouched weights."""

    def __init__(self, model: Any, base_name: str) -> None:
        super().__init__(model, base_name)
        self._tuned: Any = None
        self._language = self._language_weights()

    def load(self, judge: str, adapter: Path) -> None:
        """See `Judges`."""
        if not self._is_new(judge, adapter):
            return
        if (trained := adapter_settings(judge, adapter).get("bias", "none")) != "none":
            reason = f"it trains biases ('{trained}'), which a large model cannot switch back"
            raise ModelError(f"judge '{judge}': {adapter}: {reason}. Merge it into a model of its own first.")
        self._tuned = _with_adapter(self._tuned or self._model, judge, adapter, self._base_name)
        self._folders[judge] = adapter.resolve()
        self._put_in_force(self._active)
        decoder = self._language | {id(weight) for weight in self._model.get_decoder().parameters()}
        own = f".{_peft_name(judge)}."
        if any(own in name and id(weight) not in decoder for name, weight in self._model.named_parameters()):
            self._other_eyes.add(judge)

    def activate(self, judge: str) -> None:
        """See `Judges`."""
        self._check_known(judge)
        if judge != self._active:
            self._put_in_force(judge)

    def _put_in_force(self, judge: str) -> None:
        if judge == BASE_JUDGE:
            self._tuned.base_model.disable_adapter_layers()
        else:
            self._tuned.base_model.enable_adapter_layers()
            self._tuned.set_adapter(_peft_name(judge))
            self._tuned.requires_grad_(False)
        self._active = judge


def _peft_name(judge: str) -> str:
    """PEFT uses names as module names, which must not hold dots."""
    return "judge_" + judge.replace(".", "_")


def _with_adapter(model: Any, judge: str, adapter: Path, base_name: str) -> Any:
    """`model` (plain or already a PeftModel) with the adapter on it. Raises `ModelError` unless every weight fits."""
    from peft import PeftModel, get_peft_model_state_dict

    name = _peft_name(judge)
    check_adapter_files(judge, adapter)
    try:
        with _quiet():
            if isinstance(model, PeftModel):
                tuned: Any = model
                tuned.load_adapter(str(adapter), adapter_name=name, is_trainable=False)
            else:
                tuned = PeftModel.from_pretrained(model, str(adapter), adapter_name=name, is_trainable=False)
        with safe_open(adapter / WEIGHTS, framework="pt") as file:
            stored = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118  not a dict
    except SafetensorError as error:
        raise damaged(f"judge '{judge}'", f"{adapter / WEIGHTS}: {first_line(error)}") from None
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(misfit(judge, adapter, base_name, first_line(error))) from None
    with _quiet():
        weights = get_peft_model_state_dict(tuned, adapter_name=name)
    placed = {key: tuple(weight.shape) for key, weight in weights.items()}
    if stored != placed:
        odd = sorted(stored.items() ^ placed.items())[0][0]
        raise ModelError(misfit(judge, adapter, base_name, f"weight {odd} does not fit"))
    return tuned.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """PEFT calls what transformers deprecates; that is theirs to settle. A misfit is found by comparing the weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
