"""Tensors, dtypes and devices of torch in files."""

from __future__ import annotations

import torch
from torch import nn

from ._codec import Codec, expect


class _Tensor(Codec):
    tag, types = "tensor", ("torch.Tensor",)

    def encode(self, value, encoder):
        if not value.is_leaf or value.layout is not torch.strided or value.dtype.is_complex:
            raise encoder.refusal("a tensor that is computed, sparse or complex")
        array = value.detach().cpu()
        if array.dtype == torch.bfloat16:
            raise encoder.refusal(f"a tensor of {array.dtype}")
        return {"array": encoder.array(array.numpy()), "trained": value.requires_grad}

    def decode(self, fields, decoder):
        array = decoder.array(fields["array"])
        return torch.from_numpy(array).requires_grad_(fields["trained"] is True)


class _Parameter(_Tensor):
    tag, types = "parameter", ("torch.nn.parameter.Parameter",)

    def decode(self, fields, decoder):
        tensor = super().decode({**fields, "trained": False}, decoder)
        return nn.Parameter(tensor, requires_grad=fields["trained"] is True)


class _TorchDtype(Codec):
    tag, types = "torch_dtype", ("torch.dtype",)

    def encode(self, value, encoder):
        return {"name": str(value).removeprefix("torch.")}

    def decode(self, fields, decoder):
        found = vars(torch).get(fields["name"])
        expect(isinstance(found, torch.dtype), f"a dtype called {str(fields['name'])[:40]}")
        return found


class _Device(Codec):
    tag, types = "device", ("torch.device",)

    def encode(self, value, encoder):
        return {"name": str(value)}

    def decode(self, fields, decoder):
        return torch.device(fields["name"])


CODECS = (_Tensor(), _Parameter(), _TorchDtype(), _Device())
