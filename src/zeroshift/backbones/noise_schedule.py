"""From a checkpoint's scheduler_config.json to a grid of noise levels."""

from copy import copy

from diffusers import DDIMScheduler

from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.schedule import Schedule, VariancePreserving


def schedule_of(scheduler: DDIMScheduler, steps: int) -> Schedule:
    """The grid of ``steps`` steps that diffusers' DDIMScheduler takes with the same configuration.

    The folder may name any scheduler of the family (PNDM, Euler, DPM-Solver, ...): ``DDIMScheduler.from_config`` keeps
    what they share, which is betas, ``prediction_type``, ``timestep_spacing``, ``steps_offset``, ``set_alpha_to_one``
    and ``rescale_betas_zero_snr``. As there, every step ends ``num_train_timesteps // steps`` below its own timestep.

    Raises:
        ValueError: the number of steps does not fit the training schedule.
        Unsupported: the network predicts neither noise nor v, or noise where its schedule has no signal.
    """
    config = scheduler.config
    if config.prediction_type not in ("epsilon", "v_prediction"):
        raise Unsupported(
            f"This checkpoint predicts {config.prediction_type}; zeroshift edits with epsilon- and v-prediction."
        )
    trained = int(config.num_train_timesteps)
    timesteps = spaced(scheduler, steps)
    levels = VariancePreserving(scheduler.alphas_cumprod.double(), float(scheduler.final_alpha_cumprod))
    if config.prediction_type == "epsilon" and levels(timesteps[0]).alpha == 0:
        raise Unsupported(
            f"This checkpoint predicts noise, and at timestep {timesteps[0]} its schedule (rescale_betas_zero_snr) "
            "leaves nothing else to predict the picture from; its scheduler_config.json must say v_prediction or "
            "leading timestep_spacing."
        )
    ends = tuple(t - trained // steps for t in timesteps)
    return Schedule(timesteps, ends, levels, trained, config.prediction_type)


def spaced(scheduler: DDIMScheduler, steps: int) -> tuple[int, ...]:
    """Diffusers' own timesteps, noisiest first: 981, 961, ..., 1 for 50 "leading" ones with offset 1 of 1000.

    Raises:
        ValueError: ``steps`` is below 1 or above what the training schedule holds.
    """
    trained, grid = int(scheduler.config.num_train_timesteps), copy(scheduler)
    lead = scheduler.config.steps_offset if scheduler.config.timestep_spacing == "leading" else 0
    if 1 <= steps <= trained:
        grid.set_timesteps(steps)
        # for a few numbers of steps rounding gives "trailing" one timestep more, before the first
        timesteps = tuple(grid.timesteps.tolist()[:steps])
        if timesteps[0] < trained:
            return timesteps
    raise ValueError(f"The number of steps must lie between 1 and {trained - lead}, not {steps}.")
