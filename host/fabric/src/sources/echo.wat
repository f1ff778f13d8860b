;; The built-in agent `echo`: the output of each task is its payload.
;;
;; A core module whose exports are those of the contract `chimera:agent@0.1.0`, as the
;; canonical ABI lays them out. `echo.wasm` beside this file is the component of it. A test
;; makes the component anew and compares the two.
(module
  (memory (export "memory") 1)
  ;; Below 8192 is what does not change; above it is what one call brings.
  (global $free (mut i32) (i32.const 8192))

  ;; 16: zeros, which read as "it went well" and as "healthy, with no message".
  ;; 512: the capabilities: a list of one task type, and four tasks at once.
  (data (i32.const 512) "\00\03\00\00" "\01\00\00\00" "\04\00\00\00")
  ;; 768: the list: the address and the length of a name.
  (data (i32.const 768) "\08\03\00\00" "\04\00\00\00" "echo")
  ;; 1024: the result of a task: zeros, then at 1032 the address and length of the output.

  ;; Memory for what the host hands in: the next free bytes, and more pages where they
  ;; are needed. All of it is free again with the next call.
  (func (export "cabi_realloc")
    (param $old i32) (param $had i32) (param $align i32) (param $wanted i32) (result i32)
    (local $at i32) (local $end i32) (local $there i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (local.set $end (i32.add (local.get $at) (local.get $wanted)))
    (if (i32.lt_u (local.get $end) (local.get $at)) (then (unreachable)))
    (local.set $there (i32.shl (memory.size) (i32.const 16)))
    (if (i32.gt_u (local.get $end) (local.get $there))
      (then
        (if (i32.eq
              (memory.grow
                (i32.add
                  (i32.shr_u (i32.sub (local.get $end) (local.get $there)) (i32.const 16))
                  (i32.const 1)))
              (i32.const -1))
          (then (unreachable)))))
    (memory.copy (local.get $at) (local.get $old) (local.get $had))
    (global.set $free (local.get $end))
    (local.get $at))

  (func (export "chimera:agent/lifecycle@0.1.0#init")
    (param i32 i32 i32 i32 f64 i64 i64 i32 f64 i32 i32 i32 i32) (result i32)
    (global.set $free (i32.const 8192))
    (i32.const 16))

  (func (export "chimera:agent/lifecycle@0.1.0#capabilities") (result i32)
    (i32.const 512))

  ;; In the task, the payload's address is at 12 and its length at 16.
  (func (export "chimera:agent/lifecycle@0.1.0#execute-task") (param $task i32) (result i32)
    (i32.store (i32.const 1032) (i32.load offset=12 (local.get $task)))
    (i32.store (i32.const 1036) (i32.load offset=16 (local.get $task)))
    (global.set $free (i32.const 8192))
    (i32.const 1024))

  (func (export "chimera:agent/lifecycle@0.1.0#health") (result i32)
    (i32.const 16))

  (func (export "chimera:agent/lifecycle@0.1.0#shutdown") (result i32)
    (i32.const 16)))
