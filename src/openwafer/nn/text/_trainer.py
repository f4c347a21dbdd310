"""Training of a language model on the wafer, with checkpoints from which it goes on to the bit."""

# pyright: basic, reportMissingImports=false
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from openwafer.nn._wafer import Wafer
from openwafer.nn.models import Checkpoint, ModelConfig, make_model
from openwafer.nn.run._training import TrainingStep, compile_training
from openwafer.nn.run._usage import Usage
from openwafer.nn.text import checkpoints
from openwafer.nn.text._corpus import Corpus
from openwafer.nn.text._recipe import Recipe


def new_model(config: ModelConfig, seed: int) -> torch.nn.Module:
    """With normal weights of the standard deviation √(2 / 5 width) (“SmallInit”, arXiv 1910.05895), GPT-2's
    0.02 at its width; those that write to the residual stream are scaled down by its length."""
    generator = torch.Generator().manual_seed(seed)
    model = make_model(config)
    usual = (2 / (5 * config.width)) ** 0.5
    layers = len(model.get_submodule("model.layers" if hasattr(model, "model") else "transformer.h"))  # pyright: ignore
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                writes = name.endswith(("o_proj.weight", "down_proj.weight", "c_proj.weight"))
                deviation = usual / ((2 * layers) ** 0.5 if writes else 1)
                parameter.normal_(0, deviation, generator=generator)
            elif name.endswith("bias"):
                parameter.zero_()
    return model


def next_token_loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The mean over all tokens, in nats."""
    return F.cross_entropy(logits.flatten(0, 1), wanted.flatten())


def optimizer_for(model: torch.nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=recipe.betas, weight_decay=recipe.weight_decay
    )


class Trainer:
    """Trains `checkpoint.model` on a corpus; `losses` has one number a step so far."""

    def __init__(
        self, checkpoint: Checkpoint, corpus: Corpus, recipe: Recipe, wafer: Wafer, *, threads: int = 1
    ) -> None:
        """Diagnostics: those of `compile_training`, text-short."""
        self.checkpoint, self.corpus, self.recipe, self.wafer = checkpoint, corpus, recipe, wafer
        self.losses: list[float] = []
        self._optimizer = optimizer_for(checkpoint.model, recipe)
        self.compiled: TrainingStep = compile_training(
            checkpoint.model, next_token_loss, self._optimizer, self.batch(1), wafer, threads=threads
        )

    @property
    def steps(self) -> int:
        """Steps made so far."""
        return len(self.losses)

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and next tokens of a step, from 1."""
        recipe = self.recipe
        ids, wanted = self.corpus.batch(step, recipe.batch, recipe.context, recipe.seed)
        return torch.from_numpy(ids), torch.from_numpy(wanted)

    def advance(self) -> float:
        """Makes one step; its loss. Diagnostics: not-finite."""
        step = self.steps + 1
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.rate(step)
        loss = self.compiled(*self.batch(step))
        self.losses.append(loss)
        return loss

    @property
    def usage(self) -> Usage:
        """Since the wafer was started."""
        return self.compiled.session.usage

    def save(self, directory: Path) -> Path:
        """Writes a checkpoint below `directory`, all or nothing, and removes older ones; its path."""
        self.compiled.sync()
        facts = checkpoints.Facts(
            recipe=self.recipe, losses=self.losses, shape=self.wafer.shape, machine=self.wafer.source,
            text=self.corpus.digest, machine_hash=self.wafer.facts.hash(),
        )  # fmt: skip
        return checkpoints.write(directory, self.checkpoint, facts, self.compiled.state())

    @classmethod
    def resume(cls, path: Path, corpus: Corpus, *, threads: int = 1) -> Trainer:
        """Goes on behind a checkpoint. Diagnostics: those of `checkpoints.read`, text-changed."""
        checkpoint, facts, state = checkpoints.read(path)
        checkpoints.check_text(path, facts, corpus)
        wafer = Wafer(facts.machine, facts.shape)
        checkpoints.check_machine(path, facts, wafer.facts)
        trainer = cls(checkpoint, corpus, facts.recipe, wafer, threads=threads)
        trainer.compiled.restore({name: np.asarray(array) for name, array in state.items()})
        trainer.losses = list(facts.losses)
        return trainer
