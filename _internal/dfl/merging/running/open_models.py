"""Opening the networks that a merge needs."""

from typing import Protocol

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.merging.options import MergeOptions
from dfl.merging.running.networks import Enhancer
from dfl.merging.running.xseg_masks import XsegMaskModel
from dfl.models.prediction import SwapModel
from dfl.workspace import Workspace


class Models(Protocol):
    """Source of a run's networks; each method opens one, or raises UserError with advice."""

    def swap(self, name: str | None, morph: float, /) -> SwapModel:
        """The model of that name; None: the one saved last. morph: AMP's morph factor."""

    def xseg(self, mode: str, /) -> XsegMaskModel:
        """The XSeg model. mode: the mask mode that needs it, for messages."""

    def enhancer(self) -> Enhancer: ...


class SavedModels:
    """The models of a workspace."""

    def __init__(self, workspace: Workspace, options: MergeOptions, report: Report) -> None:
        self._workspace, self._engine, self._report = workspace, options.engine, report

    def swap(self, name: str | None, morph: float) -> SwapModel:
        from dfl.models.open_model import open_model

        return open_model(self._workspace.model, name, None, self._engine, self._report, morph_factor=morph)

    def xseg(self, mode: str) -> XsegMaskModel:
        from dfl.models.open_model import open_xseg

        try:
            return open_xseg(self._workspace.model, self._engine, self._report)
        except UserError as error:
            todo = f"{error.todo} Or choose another mask mode."
            raise UserError(f"The mask mode {mode} needs an XSeg model. {error.what}", todo) from error

    def enhancer(self) -> Enhancer:
        from dfl.models.engine import start_engine

        start_engine(self._engine)
        from dfl.models.face_enhancer import open_face_enhancer

        try:
            return open_face_enhancer()
        except UserError as error:
            todo = f"{error.todo} Or merge without: --super-resolution 0."
            raise UserError(f"Super resolution needs the face enhancer. {error.what}", todo) from error


class GivenModels:
    """Networks that are already open: one swap model for all people."""

    def __init__(self, model: SwapModel, xseg: XsegMaskModel | None = None, enhancer: Enhancer | None = None) -> None:
        self._model, self._xseg, self._enhancer = model, xseg, enhancer

    def swap(self, name: str | None, morph: float) -> SwapModel:
        return self._model

    def xseg(self, mode: str) -> XsegMaskModel:
        if self._xseg is None:
            raise UserError(
                f"The mask mode {mode} needs an XSeg model, and none was given.", "Choose another mask mode."
            )
        return self._xseg

    def enhancer(self) -> Enhancer:
        if self._enhancer is None:
            raise UserError("Super resolution needs the face enhancer, and none was given.", "Merge without it.")
        return self._enhancer
