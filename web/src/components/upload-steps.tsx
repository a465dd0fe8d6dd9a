import type { UploadStatus } from '../api/types.ts'
import { texts } from '../texts.ts'
import { type Step, stepsOf } from '../upload-steps.ts'
import { Moment } from './moment.tsx'

/** The way of an upload, with how many chunks have come how far. */
export function UploadSteps({ upload }: { upload: UploadStatus }) {
  return (
    <ol class="steps" aria-label={texts.steps.label}>
      {stepsOf(upload).map((step) => (
        <StepItem key={step.name} step={step} total={upload.total_chunks} />
      ))}
    </ol>
  )
}

function StepItem({ step, total }: { step: Step; total: number }) {
  return (
    <li class={step.isDone ? 'step step-done' : 'step'}>
      <span class="step-name">
        {step.name}
        {step.isDone && <span class="visually-hidden">, {texts.steps.done}</span>}
      </span>
      <span>{texts.steps.chunks(step.chunks, total)}</span>
      <span class="step-meaning">{texts.steps.meanings[step.name]}</span>
      {step.at && (
        <span class="step-time">
          <Moment iso={step.at} />
        </span>
      )}
    </li>
  )
}
