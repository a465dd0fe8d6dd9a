import { render } from 'preact'
import { App } from './app.tsx'
import './styles/base.css'
import './styles/layout.css'
import './styles/parts.css'

const root = document.getElementById('page')
if (root) render(<App />, root)
